"""Members of equal shape as one program, for a GPU.

A small network gives a GPU too little to do: it waits for its next instruction. With
the weights of K members on a leading axis every instruction does the work of K. Each
member keeps its own settings, order of windows and dropout, so what becomes of it does
not depend on the others, up to the rounding of the device's products.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float64, Int

from closecast.engine.epochs import Losses, Steps
from closecast.engine.fleet import Member
from closecast.engine.torch.dropout import draw_masks
from closecast.engine.torch.graphs import Replays
from closecast.engine.torch.network import has_kernels, run_members
from closecast.engine.torch.optimizers import step_members
from closecast.engine.torch.panel import ResidentPanel
from closecast.models.config import Weights, initial_weights, weight_shapes
from closecast.models.lstm import loss

VALIDATION_BATCH = 2**15
"""Windows of a pass without gradients, of all members."""


def alike(members: Sequence[Member]) -> list[list[int]]:
    """Part a fleet into groups that one program can step.

    Args:
        members: The fleet.

    Returns:
        Places of the members of each group: equal shapes, counts and kinds of step.
    """
    groups = defaultdict(list)
    for place, member in enumerate(members):
        config = member.optimizer
        kind = (
            config.optimizer,
            config.loss,
            config.centred,
            config.batch_size,
            config.precision,
        )
        counts = (len(member.train), len(member.validation))
        groups[member.network, kind, counts].append(place)
    return list(groups.values())


class BatchedMembers:
    """Networks of equal shape under training: a row of every array is a member's."""

    def __init__(self, panel: ResidentPanel, members: Sequence[Member]) -> None:
        self.panel, self.members = panel, members
        self.network, self.optimizer = members[0].network, members[0].optimizer
        self.places = list(range(len(members)))
        shapes = weight_shapes(self.network)
        self.running = [name for name in shapes if ".running_" in name]
        self.shapes = {n: s for n, s in shapes.items() if n not in self.running}
        self.rows = {n: t.to(panel.device) for n, t in self._first_rows().items()}
        seeds = [member.optimizer.seed for member in members]
        self.seeds = torch.tensor(seeds, device=panel.device)
        self.replays = Replays()
        self._validated: dict[int, float] = {}
        self._here: dict[str, torch.Tensor] = {}

    def train_epochs(self, asked: Mapping[int, Steps]) -> dict[int, Losses]:
        """Step through an epoch of some members; the others are over, and forgotten.

        Args:
            asked: The epoch of each, by its place; batches of equal sizes.

        Returns:
            The mean loss of each batch of each member, by its place.
        """
        self._keep(list(asked))
        epochs = list(asked.values())
        sizes = [len(batch) for batch in epochs[0].order]
        cutoffs = np.empty((len(epochs), sum(sizes)), np.int64)
        for row, epoch in zip(cutoffs, epochs, strict=True):
            np.concatenate(epoch.order, out=row)
        batches = torch.split(self.panel.rows(cutoffs), sizes, 1)
        rates = torch.tensor(np.stack([epoch.rates for epoch in epochs])).float()
        columns = torch.split(rates.to(self.panel.device), 1, 1)
        losses = [self._step(b, rate) for b, rate in zip(batches, columns, strict=True)]
        table = torch.stack(losses, 1).double().cpu().numpy()
        return dict(zip(self.places, table, strict=True))

    def validation_loss(self, place: int) -> float:
        """Give the mean loss of a member over its validation windows.

        Args:
            place: Its place among the members.

        Returns:
            The loss; those of all are computed together, once after each epoch.
        """
        if not self._validated:
            losses = self._validation_losses().tolist()
            self._validated = dict(zip(self.places, losses, strict=True))
        return self._validated[place]

    def weights(self, place: int) -> Weights:
        """Give a copy of a member's weights as they are now.

        Args:
            place: Its place among the members.

        Returns:
            Its weights; those of all are moved together, once after each epoch.
        """
        if not self._here:
            named = self.named(self.rows["weights"])
            self._here = {name: tensor.cpu() for name, tensor in named.items()}
        row = self.places.index(place)
        names = weight_shapes(self.network)
        return {name: self._here[name][row].numpy().copy() for name in names}

    def forget(self) -> None:
        """Forget what was computed of weights that are no more."""
        self._validated, self._here = {}, {}

    def named(
        self, weights: Float[torch.Tensor, "member weight"]
    ) -> dict[str, Float[torch.Tensor, "member ..."]]:
        """Give weights by their names in torch, running statistics among them.

        Args:
            weights: The weights of each member, one after the other.

        Returns:
            Views of them.
        """
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        parts = torch.split(weights, sizes, 1)
        pairs = zip(self.shapes.items(), parts, strict=True)
        count = len(weights)
        views = {name: part.view(count, *shape) for (name, shape), part in pairs}
        return views | {name: self.rows[name] for name in self.running}

    def _first_rows(self) -> dict[str, Float[torch.Tensor, "member _"]]:
        settings = [member.optimizer for member in self.members]
        first = [initial_weights(self.network, one.seed) for one in settings]
        flat = [np.concatenate([one[n].ravel() for n in self.shapes]) for one in first]
        weights = torch.tensor(np.stack(flat))
        return {
            "weights": weights,
            "first": torch.zeros_like(weights),
            "second": torch.zeros_like(weights),
            "steps": torch.zeros(len(first), 1),
            "decay": torch.tensor([[float(one.weight_decay)] for one in settings]),
            "momentum": torch.tensor([[float(one.momentum)] for one in settings]),
            "clip": torch.tensor([[one.clip_norm or torch.inf] for one in settings]),
        } | {
            name: torch.tensor(np.stack([one[name] for one in first]))
            for name in self.running
        }

    def _keep(self, places: list[int]) -> None:
        self.forget()
        if places != self.places:
            kept = [self.places.index(place) for place in places]
            self.rows = {name: tensor[kept] for name, tensor in self.rows.items()}
            self.seeds = self.seeds[kept]
            self.places = places
            self.replays = Replays()  # a graph knows arrays by their address

    def _step(
        self,
        cutoffs: Int[torch.Tensor, "member window"],
        rate: Float[torch.Tensor, "member 1"],
    ) -> Float[torch.Tensor, " member"]:
        if not has_kernels(self.panel.device.type):
            return self._make_step(cutoffs, rate)
        return self.replays.run(self._make_step, cutoffs, rate)

    def _make_step(
        self,
        cutoffs: Int[torch.Tensor, "member window"],
        rate: Float[torch.Tensor, "member 1"],
    ) -> Float[torch.Tensor, " member"]:
        weights = self.rows["weights"].detach().requires_grad_()
        shape = (self.panel.context_length, cutoffs.shape[1])
        masks = draw_masks(self.network, shape, self.seeds, self.rows["steps"])
        losses = self._losses(weights, cutoffs, masks)
        (gradient,) = torch.autograd.grad(losses.sum(), weights)
        step_members(self.optimizer.optimizer, self.rows, gradient, rate)
        return losses.detach()

    @torch.no_grad()
    def _validation_losses(self) -> Float64[torch.Tensor, " member"]:
        kept = [self.members[place].validation for place in self.places]
        cutoffs = self.panel.rows(np.stack(kept))
        total = torch.zeros(len(kept), dtype=torch.float64, device=self.panel.device)
        windows = max(1, VALIDATION_BATCH // len(kept))
        for part in torch.split(cutoffs, windows, 1):
            total += self._losses(self.rows["weights"], part, None) * part.shape[1]
        return total / cutoffs.shape[1]

    def _losses(
        self,
        weights: Float[torch.Tensor, "member weight"],
        cutoffs: Int[torch.Tensor, "member window"],
        masks: list[torch.Tensor] | None,
    ) -> Float[torch.Tensor, " member"]:
        config, flat = self.optimizer, cutoffs.flatten()
        context, scale, state, target = (
            tensor.view(*cutoffs.shape, *tensor.shape[1:])
            for tensor in (*self.panel.inputs(flat), self.panel.targets(flat))
        )
        draft = config.precision == "bfloat16" and masks is not None
        with torch.autocast(self.panel.device.type, torch.bfloat16, enabled=draft):
            raw = run_members(
                self.network, self.named(weights), context, scale, state, masks
            )
        of_member = partial(
            loss, self.network.head, name=config.loss, centred=config.centred
        )
        return torch.func.vmap(of_member)(raw.float(), target)


class BatchedTrainee:
    """One of the members, as its training sees it."""

    def __init__(self, together: BatchedMembers, place: int) -> None:
        self.together, self.place = together, place

    @property
    def engine(self) -> str:
        """Which engine it is of, with its device."""
        return f"torch {self.together.panel.device.type} batched"

    def validation_loss(self) -> float:
        """Give the mean loss over the validation windows."""
        return self.together.validation_loss(self.place)

    def weights(self) -> Weights:
        """Give a copy of the weights as they are now."""
        return self.together.weights(self.place)

    def state(self) -> dict[str, np.ndarray]:
        """Give a copy of all that it needs to go on from here."""
        rows, row = self.together.rows, self._row
        return {name: t[row].cpu().numpy().copy() for name, t in rows.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from where ``state`` was taken."""
        rows, row = self.together.rows, self._row
        for name, tensor in rows.items():
            tensor[row] = torch.tensor(state[name])
        self.together.forget()

    @property
    def _row(self) -> int:
        return self.together.places.index(self.place)
