"""The interface of all engines: a fleet of networks over the same resident prices.

Training one network is a fleet of one. No tensor library is imported here; how
windows are shuffled is settled here once, so that engines can be held against each
other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int

from closecast.engine.schedule import SCHEDULES, epoch_rates
from closecast.engine.shuffle import shuffled
from closecast.errors import SettingError, TrainingError
from closecast.models.config import (
    MAX_SEED,
    NetworkConfig,
    Weights,
    require_choice,
    require_flag,
    require_number,
    require_whole,
)
from closecast.models.heads import LOSSES, choose_loss
from closecast.windows.scaling import WindowData

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """How a network is trained.

    Attributes:
        optimizer: ``"adam"``, ``"adamw"``, ``"rmsprop"`` or ``"sgd"``, each as its
            paper has it.
        loss: What is made small: ``"auto"``, the head's own, or one of
            ``closecast.models.heads.LOSSES_OF_HEAD``.
        centred: Whether the loss takes a Student-t's location for 0, whatever the
            output says.
        learning_rate: Step size, the greatest of the schedule.
        schedule: How the step size goes: one of ``closecast.engine.schedule``.
        warmup: Share of all steps in which the step size rises from 0.
        weight_decay: L2 penalty; decoupled from the gradient in ``"adamw"``.
        momentum: Momentum of ``"sgd"``; the others have none to set.
        clip_norm: Greatest Euclidean norm of the whole gradient; a longer one is
            shortened to it. 0 shortens none.
        batch_size: Windows of a step.
        epochs: Passes over the training windows, at most.
        early_stopping: Whether to stop when the validation loss no longer falls,
            and to keep the weights of the best epoch.
        patience: Epochs without a better validation loss before stopping.
        seed: Draws first weights, the order of windows and dropout.
        precision: What the products of a training step multiply: ``"float32"``, or
            ``"bfloat16"`` for drafts. Weights, sums, validation and forecasts are
            float32 either way.
    """

    optimizer: str = "adam"
    loss: str = "auto"
    centred: bool = False
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    clip_norm: float = 0.0
    batch_size: int = 128
    epochs: int = 20
    early_stopping: bool = True
    patience: int = 5
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        require_choice("optimizer", self.optimizer, OPTIMIZERS)
        require_choice("loss", self.loss, LOSSES)
        require_flag("centred", self.centred)
        require_number("learning_rate", self.learning_rate, 0.0, 1e3, open_ends="low")
        require_choice("schedule", self.schedule, SCHEDULES)
        require_number("warmup", self.warmup, 0.0, 1.0, open_ends="high")
        if self.warmup and self.schedule == "one_cycle":
            raise SettingError(
                f"Expected no warmup with schedule one_cycle, which has its own, got "
                f"{self.warmup!r}."
            )
        require_number("weight_decay", self.weight_decay, 0.0, 1e3)
        require_number("momentum", self.momentum, 0.0, 1.0, open_ends="high")
        if self.momentum and self.optimizer != "sgd":
            raise SettingError(
                f"Expected momentum with optimizer sgd only, got {self.momentum!r} "
                f"with {self.optimizer}."
            )
        require_number("clip_norm", self.clip_norm, 0.0, 1e9)
        require_whole("batch_size", self.batch_size, 1, 1_000_000)
        require_whole("epochs", self.epochs, 1, 1_000_000)
        require_flag("early_stopping", self.early_stopping)
        require_whole("patience", self.patience, 1, 1_000_000)
        require_whole("seed", self.seed, 0, MAX_SEED)
        require_choice("precision", self.precision, PRECISIONS)

    def rates(self, epoch: int, steps: int) -> Float64[np.ndarray, " step"]:
        """Give the learning rate of each step of an epoch.

        Args:
            epoch: The epoch, counted from 1.
            steps: Steps of an epoch.

        Returns:
            The rates, in the order of the steps.
        """
        return epoch_rates(
            self.schedule, self.learning_rate, self.warmup, epoch, self.epochs, steps
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One network of a fleet, and the windows that it is trained on.

    Attributes:
        name: What messages call it.
        network: Its shape.
        optimizer: How it is trained.
        train: Cutoffs of its training windows, rows of the panel.
        validation: Cutoffs of its validation windows.
    """

    name: str
    network: NetworkConfig
    optimizer: OptimizerConfig
    train: Int[np.ndarray, " train"]
    validation: Int[np.ndarray, " validation"]

    def __post_init__(self) -> None:
        choose_loss(self.network.head, self.optimizer.loss)
        if self.optimizer.centred and self.network.head != "student_t":
            raise SettingError(
                "Expected centred with head student_t only, got head "
                f"{self.network.head} ({self.name}). Leave it out."
            )
        if len(self.train) == 0 or len(self.validation) == 0:
            raise TrainingError(
                f"Expected windows to train and to validate on, got {len(self.train)} "
                f"and {len(self.validation)} (member {self.name}). Use a longer "
                "series, a shorter window or other split dates."
            )
        batch = min(self.optimizer.batch_size, len(self.train))
        if self.network.batch_norm and batch == 1:
            raise TrainingError(
                "Expected batches of at least 2 windows with batch_norm, got "
                f"{batch} (member {self.name}, batch_size={self.optimizer.batch_size}, "
                f"{len(self.train)} windows). Raise batch_size or turn batch_norm off."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Losses of a training, one for each epoch that was run.

    Attributes:
        train_loss: Mean loss over the epoch's steps, with dropout.
        validation_loss: Mean loss over the validation windows after the epoch.
        best_epoch: Epoch of the least validation loss, counted from 1.
    """

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedMember:
    """What training a member gives.

    Attributes:
        member: The member.
        weights: Its weights: of the best epoch with early stopping, else of the last.
        curve: Its losses.
        elapsed_s: Wall time of its training in seconds.
    """

    member: Member
    weights: Weights
    curve: LearningCurve
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingState:
    """A training between two epochs: all that it needs to go on as if never stopped.

    Attributes:
        train_loss: Its losses so far, one for each epoch.
        validation_loss: The same on the validation windows.
        best_epoch: Epoch of the least validation loss, counted from 1.
        best: Weights of that epoch.
        engine: Which engine it belongs to, with its instructions or its device.
        trainee: Arrays of that engine: weights, moments of the optimiser, and whatever
            chance depends on.
    """

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best_epoch: int
    best: Weights
    engine: str
    trainee: Mapping[str, np.ndarray]

    @property
    def epochs(self) -> int:
        """Epochs that were run."""
        return len(self.train_loss)

    def is_over(self, config: OptimizerConfig) -> bool:
        """Tell whether nothing is left to train.

        Args:
            config: How it is trained.

        Returns:
            True after the last epoch, or after too many without a better loss.
        """
        stuck = self.epochs - self.best_epoch >= config.patience
        return self.epochs >= config.epochs or (config.early_stopping and stuck)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoints:
    """Where trainings begin, rest and are saved on their way.

    Attributes:
        saved: States to go on from, by the member's name; others begin anew.
        keep: Told the state of a member at its end and, on the way, after epochs that
            ``every_s`` lies between, in the caller's thread; None keeps none.
        every_s: Seconds between two states of a training, at least: each is a copy.
        until: Epoch after which every training rests, as if it were over; None trains
            to the end.
    """

    saved: Mapping[str, TrainingState] = field(default_factory=dict)
    keep: Callable[[str, TrainingState], None] | None = None
    every_s: float = 0.0
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One epoch that is done, or a part of one that is long.

    Attributes:
        member: Name of the member.
        number: Its place in the fleet, counted from 1.
        members: Members of the fleet.
        epoch: The epoch, counted from 1.
        epochs: Epochs at most.
        train_loss: Training loss of the epoch.
        validation_loss: Validation loss after the epoch; NaN while it is under way.
        done: Share of the epoch that is done.
    """

    member: str
    number: int
    members: int
    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float
    done: float = 1.0


class Runner(Protocol):
    """A network that is ready to run over a panel."""

    def __call__(
        self, cutoffs: Int[np.ndarray, " window"]
    ) -> Float32[np.ndarray, "window horizon param"]:
        """Run it.

        Args:
            cutoffs: Rows of the last known bars.

        Returns:
            Outputs in units of the window; a window's do not depend on the others.
        """
        ...


@runtime_checkable
class Engine(Protocol):
    """Whatever trains a fleet of networks and runs them."""

    @property
    def name(self) -> str:
        """What settings call it."""
        ...

    @property
    def trains_together(self) -> bool:
        """Whether members of a fleet are trained at the same time."""
        ...

    def train(
        self,
        data: WindowData,
        members: Sequence[Member],
        on_epoch: Callable[[Progress], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> list[TrainedMember | TrainingError]:
        """Train every member; one that diverges is retired, the others go on.

        Args:
            data: The panel.
            members: Networks to train; a member's result does not depend on the
                others.
            on_epoch: Called after each epoch of each member, and between the pools
                of an epoch that is shuffled by blocks.
            checkpoints: Where trainings begin, rest and are saved; a training that goes
                on from a state ends with the bits of one that was never stopped. None
                trains from the beginning to the end.

        Returns:
            What came of each, in the same order: the trained member, or the error
            that says at which step its loss was no longer finite.

        Raises:
            SettingError: A network does not fit the data or the memory.
        """
        ...

    def outputs(
        self,
        data: WindowData,
        network: NetworkConfig,
        weights: Weights,
        cutoffs: Int[np.ndarray, " window"],
    ) -> Float32[np.ndarray, "window horizon param"]:
        """Run a network, without dropout and with its running statistics.

        Args:
            data: The panel.
            network: Shape of the network.
            weights: Its weights.
            cutoffs: Rows of the last known bars.

        Returns:
            Outputs in units of the window; a window's do not depend on the others.

        Raises:
            SettingError: The network does not fit the data.
        """
        ...

    def prepare(
        self, data: WindowData, network: NetworkConfig, weights: Weights
    ) -> Runner:
        """Make a network ready to be run again and again, as ``outputs`` runs it.

        Args:
            data: The panel.
            network: Shape of the network.
            weights: Its weights, copied: later changes do not matter.

        Returns:
            What gives the outputs of windows; no two threads may call it at a time.

        Raises:
            SettingError: The network does not fit the data.
        """
        ...


def batches(
    rows: Int[np.ndarray, " row"], batch_size: int, seed: int, epoch: int
) -> list[Int[np.ndarray, " batch"]]:
    """Shuffle windows into the batches of an epoch; see ``closecast.engine.shuffle``.

    Args:
        rows: Cutoffs of the windows.
        batch_size: Windows of a batch.
        seed: Seed of the training.
        epoch: The epoch, counted from 1.

    Returns:
        The batches, in the order that they are stepped.
    """
    return [
        batch
        for some, ends in shuffled(rows, batch_size, seed, epoch)
        for batch in np.split(some, ends[:-1])
    ]


def require_fit(data: WindowData, network: NetworkConfig) -> None:
    """Refuse a network that cannot read these windows.

    Args:
        data: The panel.
        network: Shape of the network.

    Raises:
        SettingError: Features, state or horizon differ.
    """
    has = (data.logs.shape[1], data.state.shape[1], data.spec.horizon)
    wants = (network.input_size, network.state_size, network.horizon)
    if has != wants:
        raise SettingError(
            "Expected a network whose (input_size, state_size, horizon) is the data's "
            f"{has}, got {wants}. Make both from the same settings."
        )
