"""A training, epoch by epoch, whichever engine makes the steps.

What early stopping keeps, when a member is retired, what is reported and where a
training goes on are settled here once: engines differ in how they step, not in what a
training means.
"""

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Float64, Int

from closecast.engine.fleet import (
    Checkpoints,
    LearningCurve,
    Member,
    Progress,
    TrainedMember,
    TrainingState,
)
from closecast.engine.shuffle import POOL, count_batches, made_ahead, shuffled
from closecast.errors import TrainingError
from closecast.models.config import Weights

Report = Callable[[int, float, float, float], None]
"""Told the epoch, both losses and the share that is done; on the way there is no
validation loss, it is NaN."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """An epoch to step through, or one pool of a long one.

    Attributes:
        order: The batches.
        rates: The learning rate of each.
        epoch: The epoch, counted from 1.
    """

    order: list[Int[np.ndarray, " batch"]]
    rates: Float64[np.ndarray, " step"]
    epoch: int


Losses = Float64[np.ndarray, " done"]
"""The mean loss of each batch, up to the first that is not finite."""

Training = Generator[Steps, Losses, TrainedMember | TrainingError]
"""A training that asks for its steps, is sent their losses, and ends with what came of
it: whoever makes the steps may make those of many trainings at once."""


class Trainee(Protocol):
    """A network under training, as an engine has it."""

    @property
    def engine(self) -> str:
        """Which engine it is of, with its instructions or its device."""
        ...

    def validation_loss(self) -> float:
        """Give the mean loss over the validation windows."""
        ...

    def weights(self) -> Weights:
        """Give a copy of the weights as they are now."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Give a copy of all that it needs to go on from here."""
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from where ``state`` was taken, to the bit."""
        ...


class SteppingTrainee(Trainee, Protocol):
    """A network that makes its own steps."""

    def train_epoch(self, steps: Steps) -> Losses:
        """Step through an epoch, or through one pool of a long one.

        Args:
            steps: The epoch.

        Returns:
            The mean loss of each batch, up to the first that is not finite.
        """
        ...


def train_member(
    trainee: SteppingTrainee,
    member: Member,
    report: Report,
    checkpoints: Checkpoints | None = None,
) -> TrainedMember | TrainingError:
    """Train a member by itself; see ``training``.

    Args:
        trainee: Its network, with the first weights.
        member: The member.
        report: Called after each epoch, and between the pools of a long one.
        checkpoints: Where it begins, rests and is saved.

    Returns:
        What came of it, or why it was retired: a loss that is no longer finite.
    """
    (outcome,) = train_together(
        [training(trainee, member, report, checkpoints)],
        lambda asked: {0: trainee.train_epoch(asked[0])},
    )
    return outcome


def train_together(
    trainings: Sequence[Training],
    train_epochs: Callable[[Mapping[int, Steps]], Mapping[int, Losses]],
) -> list[TrainedMember | TrainingError]:
    """Train members epoch by epoch, side by side, until the last of them is over.

    Args:
        trainings: The trainings, none of them begun.
        train_epochs: Steps through the epochs of those that are not over, by their
            place; gives the losses of each.

    Returns:
        What came of each, in the same order.
    """
    outcomes: dict[int, TrainedMember | TrainingError] = {}
    asked: dict[int, Steps] = {}

    def go_on(place: int, losses: Losses | None) -> None:
        training = trainings[place]
        try:
            asked[place] = next(training) if losses is None else training.send(losses)
        except StopIteration as end:
            outcomes[place] = end.value

    for place in range(len(trainings)):
        go_on(place, None)
    while asked:
        losses = train_epochs(asked)
        asked = {}
        for place, some in losses.items():
            go_on(place, some)
    return [outcomes[place] for place in range(len(trainings))]


def training(
    trainee: Trainee,
    member: Member,
    report: Report,
    checkpoints: Checkpoints | None = None,
) -> Training:
    """Train a member until its epochs are over, its loss stops falling or is lost.

    Args:
        trainee: Its network, with the first weights.
        member: The member.
        report: Called after each epoch, and between the pools of a long one.
        checkpoints: Where it begins, rests and is saved; ``keep`` is called in this
            thread.

    Yields:
        The steps of an epoch, or of one pool of a long one.

    Returns:
        What came of it, or why it was retired: a loss that is no longer finite.
    """
    started = kept = time.perf_counter()
    config = member.optimizer
    checkpoints = checkpoints or Checkpoints()
    state = checkpoints.saved.get(member.name)
    if state is None or state.engine != trainee.engine:  # of no use to another one
        state = _begin(trainee)
    else:
        trainee.restore(state.trainee)
    last = config.epochs if checkpoints.until is None else checkpoints.until
    while state.epochs < last and not state.is_over(config):
        epoch = state.epochs + 1
        loss = yield from _train_epoch(member, epoch, report)
        if isinstance(loss, TrainingError):
            return loss
        validation_loss = trainee.validation_loss()
        if not math.isfinite(validation_loss):
            steps = count_batches(len(member.train), config.batch_size)
            return _diverged(member, epoch, steps, validation_loss)
        state = _after(state, trainee, loss, validation_loss)
        if checkpoints.keep is not None and (
            state.epochs >= last
            or state.is_over(config)
            or time.perf_counter() - kept >= checkpoints.every_s
        ):
            checkpoints.keep(member.name, replace(state, trainee=trainee.state()))
            kept = time.perf_counter()
        report(epoch, loss, validation_loss, 1.0)
    return TrainedMember(
        member=member,
        weights=state.best if config.early_stopping else trainee.weights(),
        curve=LearningCurve(
            train_loss=state.train_loss,
            validation_loss=state.validation_loss,
            best_epoch=state.best_epoch,
        ),
        elapsed_s=time.perf_counter() - started,
    )


def _begin(trainee: Trainee) -> TrainingState:
    return TrainingState(
        train_loss=(),
        validation_loss=(),
        best_epoch=0,
        best=trainee.weights(),
        engine=trainee.engine,
        trainee={},
    )


def _after(
    state: TrainingState, trainee: Trainee, loss: float, validation_loss: float
) -> TrainingState:
    better = validation_loss < min(state.validation_loss, default=math.inf)
    return replace(
        state,
        train_loss=(*state.train_loss, loss),
        validation_loss=(*state.validation_loss, validation_loss),
        best_epoch=state.epochs + 1 if better else state.best_epoch,
        best=trainee.weights() if better else state.best,
    )


def _train_epoch(
    member: Member, epoch: int, report: Report
) -> Generator[Steps, Losses, float | TrainingError]:
    config, windows = member.optimizer, len(member.train)
    rates = config.rates(epoch, count_batches(windows, config.batch_size))
    total, done, steps = 0.0, 0, 0
    pools = shuffled(member.train, config.batch_size, config.seed, epoch)
    for rows, ends in made_ahead(pools) if windows > POOL else pools:
        order = np.split(rows, ends[:-1])
        losses = yield Steps(order, rates[steps : steps + len(order)], epoch)
        if not np.isfinite(losses).all():
            step = int(np.argmin(np.isfinite(losses)))
            return _diverged(member, epoch, steps + step + 1, losses[step])
        total += float(np.dot(losses, np.diff(ends, prepend=0)))
        done, steps = done + len(rows), steps + len(order)
        if done < windows:
            report(epoch, total / done, math.nan, done / windows)
    return total / windows


def reporter(
    on_epoch: Callable[[Progress], None] | None,
    member: Member,
    number: int,
    members: int,
) -> Report:
    """Make what tells of a member's epochs.

    Args:
        on_epoch: Who is told; nobody if None.
        member: The member.
        number: Its place in the fleet, counted from 1.
        members: Members of the fleet.

    Returns:
        What ``train_member`` takes as ``report``.
    """

    def report(
        epoch: int, train_loss: float, validation_loss: float, done: float
    ) -> None:
        if on_epoch is not None:
            on_epoch(
                Progress(
                    member=member.name,
                    number=number,
                    members=members,
                    epoch=epoch,
                    epochs=member.optimizer.epochs,
                    train_loss=train_loss,
                    validation_loss=validation_loss,
                    done=done,
                )
            )

    return report


def _diverged(member: Member, epoch: int, step: int, loss: float) -> TrainingError:
    config = member.optimizer
    return TrainingError(
        f"Expected finite losses, got {loss:g} (member {member.name}, epoch {epoch}, "
        f"step {step}, optimizer={config.optimizer}, "
        f"learning_rate={config.learning_rate:g}, batch_size={config.batch_size}, "
        f"seed={config.seed}). Lower learning_rate or set clip_norm."
    )
