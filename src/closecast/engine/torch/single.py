"""One network under training or in use, as PyTorch's own modules make it."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from closecast.engine.epochs import Losses, Steps
from closecast.engine.fleet import Member
from closecast.engine.torch.graphs import Replays
from closecast.engine.torch.network import has_kernels, run_members
from closecast.engine.torch.optimizers import build_optimizer
from closecast.engine.torch.panel import ResidentPanel
from closecast.models.config import NetworkConfig, Weights, initial_weights
from closecast.models.lstm import StackedLSTM, loss

INFERENCE_BATCH = {"cpu": 2**8, "cuda": 2**13}
"""Windows of a pass without gradients on each kind of device. A shorter pass is filled
up to it, so that a window gives the same bits alone and among others."""

Forward = Callable[
    [Int[torch.Tensor, " window"]], Float[torch.Tensor, "window horizon param"]
]
"""A network that is ready to be run over the windows of a panel."""


class SingleTrainee:
    """A network under training on a CPU."""

    def __init__(self, panel: ResidentPanel, member: Member) -> None:
        config = member.optimizer
        torch.manual_seed(config.seed)  # dropout
        first = initial_weights(member.network, config.seed)
        self.panel, self.member = panel, member
        self.network = load_network(member.network, first, panel.device)
        self.optimizer = build_optimizer(self.network.parameters(), config)

    def train_epoch(self, steps: Steps) -> Losses:
        """Step through an epoch, or through one pool of a long one."""
        self.network.train()
        rows = self.panel.rows(np.concatenate(steps.order))  # in one piece
        parts = torch.split(rows, [len(batch) for batch in steps.order])
        losses = [
            self._step(part, rate)
            for part, rate in zip(parts, steps.rates.tolist(), strict=True)
        ]
        return torch.stack(losses).double().cpu().numpy()

    def _step(
        self, rows: Int[torch.Tensor, " window"], rate: float
    ) -> Float[torch.Tensor, ""]:
        loss_of_step = _loss(self.network, self.panel, self.member, rows)
        self.optimizer.zero_grad()
        loss_of_step.backward()  # type: ignore[no-untyped-call]
        if self.member.optimizer.clip_norm:
            nn.utils.clip_grad_norm_(
                self.network.parameters(), self.member.optimizer.clip_norm
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss_of_step.detach()

    def validation_loss(self) -> float:
        """Give the mean loss over the validation windows."""
        member, panel = self.member, self.panel
        run = forward(self.network, panel)
        raw = run_network(run, member.network, panel, member.validation)
        z = panel.targets(panel.rows(member.validation))
        return float(_loss_of(member, raw, z))

    def weights(self) -> Weights:
        """Give a copy of the weights as they are now."""
        return _weights(self.network)

    @property
    def engine(self) -> str:
        """Which engine it is of, with its device."""
        return f"torch {self.panel.device.type}"

    def state(self) -> dict[str, np.ndarray]:
        """Give weights and moments by name, and where the chances of dropout are."""
        tensors = {f"weight.{n}": t for n, t in self.network.state_dict().items()}
        for place, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"moment.{place}.{n}": t for n, t in moments.items() if t is not None
            }
        tensors["chance.cpu"] = torch.get_rng_state()
        return {n: t.detach().cpu().numpy().copy() for n, t in tensors.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from where ``state`` was taken, to the bit."""
        tensors = {name: torch.tensor(array) for name, array in state.items()}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "moment":
                place, _, moment = rest.partition(".")
                moments.setdefault(int(place), {})[moment] = tensor
        self.network.load_state_dict(
            {n.removeprefix("weight."): t for n, t in tensors.items() if "weight." in n}
        )
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        torch.set_rng_state(tensors["chance.cpu"])


def _loss(
    network: StackedLSTM,
    panel: ResidentPanel,
    member: Member,
    rows: Int[torch.Tensor, " window"],
) -> Float[torch.Tensor, ""]:
    draft = member.optimizer.precision == "bfloat16"
    with torch.autocast("cpu", torch.bfloat16, enabled=draft):
        raw = network(*panel.inputs(rows))
    return _loss_of(member, raw.float(), panel.targets(rows))


def _loss_of(
    member: Member,
    raw: Float[torch.Tensor, "window horizon param"],
    z: Float[torch.Tensor, "window horizon"],
) -> Float[torch.Tensor, ""]:
    config = member.optimizer
    return loss(member.network.head, raw, z, config.loss, centred=config.centred)


def forward(network: StackedLSTM, panel: ResidentPanel) -> Forward:
    """Make a network ready to be run without dropout, with its running statistics.

    Args:
        network: The network, on the panel's device.
        panel: Prices.

    Returns:
        What gives the outputs of windows by the rows of their last known bars.
    """
    network.eval()
    if not has_kernels(panel.device.type):
        return lambda rows: network(*panel.inputs(rows))
    weights = {name: tensor[None] for name, tensor in network.state_dict().items()}

    def run(rows: Int[torch.Tensor, " window"]) -> torch.Tensor:
        context, scale, state = (one[None] for one in panel.inputs(rows))
        return run_members(network.config, weights, context, scale, state)[0]

    return partial(Replays().run, run)


@torch.no_grad()
def run_network(
    forward: Forward,
    config: NetworkConfig,
    panel: ResidentPanel,
    cutoffs: Int[np.ndarray, " window"],
) -> Float[torch.Tensor, "window horizon param"]:
    """Run a network over any number of windows.

    Args:
        forward: The network; see ``forward``.
        config: Its shape.
        panel: Prices.
        cutoffs: Rows of the last known bars.

    Returns:
        Outputs in units of the window; a window's do not depend on the others.
    """
    raw = [torch.empty(0, config.horizon, config.params_per_step, device=panel.device)]
    windows = INFERENCE_BATCH[panel.device.type]
    for start in range(0, len(cutoffs), windows):
        chunk = cutoffs[start : start + windows]
        full = np.pad(chunk, (0, windows - len(chunk)), mode="edge")
        raw.append(forward(panel.rows(full))[: len(chunk)])
    return torch.cat(raw)


def load_network(
    config: NetworkConfig, weights: Weights, device: torch.device
) -> StackedLSTM:
    """Make a network of its weights.

    Args:
        config: Its shape.
        weights: Its weights, copied.
        device: Where it will run.

    Returns:
        The network, as ready to be trained as to be run.
    """
    module = StackedLSTM(config)
    module.load_state_dict({name: torch.tensor(w) for name, w in weights.items()})
    return module.to(device)


def _weights(network: StackedLSTM) -> Weights:
    return {
        name: tensor.detach().cpu().numpy().copy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
