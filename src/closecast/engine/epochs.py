"""A training, epoch by epoch, whichever engine makes the steps.

What early stopping keeps, when a member is retired and what is reported are settled
here once: engines differ in how they step, not in what a training means.
"""

import math
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from jaxtyping import Float64, Int

from closecast.engine.fleet import (
    LearningCurve,
    Member,
    Progress,
    TrainedMember,
    batches,
)
from closecast.errors import TrainingError
from closecast.models.config import Weights


class Trainee(Protocol):
    """A network under training, as an engine has it."""

    def train_epoch(
        self,
        order: list[Int[np.ndarray, " batch"]],
        rates: Float64[np.ndarray, " step"],
        epoch: int,
    ) -> Float64[np.ndarray, " done"]:
        """Step through an epoch.

        Args:
            order: The batches.
            rates: The learning rate of each.
            epoch: The epoch, counted from 1.

        Returns:
            The mean loss of each batch, up to the first that is not finite.
        """
        ...

    def validation_loss(self) -> float:
        """Give the mean loss over the validation windows."""
        ...

    def weights(self) -> Weights:
        """Give a copy of the weights as they are now."""
        ...


def train_member(
    trainee: Trainee, member: Member, report: Callable[[int, float, float], None]
) -> TrainedMember | TrainingError:
    """Train a member until its epochs are over, its loss stops falling or is lost.

    Args:
        trainee: Its network, with the first weights.
        member: The member.
        report: Called after each epoch with the epoch and both losses.

    Returns:
        What came of it, or why it was retired: a loss that is no longer finite.
    """
    started, config = time.perf_counter(), member.optimizer
    train_loss: list[float] = []
    validation_loss: list[float] = []
    best_epoch, best_loss, best = 0, math.inf, trainee.weights()
    for epoch in range(1, config.epochs + 1):
        order = batches(member.train, config.batch_size, config.seed, epoch)
        rates = config.rates(epoch, len(order))
        losses = trainee.train_epoch(order, rates, epoch)
        if not np.isfinite(losses).all():
            step = int(np.argmin(np.isfinite(losses))) + 1
            return _diverged(member, epoch, step, losses[step - 1])
        lengths = [len(batch) for batch in order]
        train_loss.append(float(np.dot(losses, lengths) / len(member.train)))
        validation_loss.append(trainee.validation_loss())
        if not math.isfinite(validation_loss[-1]):
            return _diverged(member, epoch, len(order), validation_loss[-1])
        if validation_loss[-1] < best_loss:
            best_epoch, best_loss = epoch, validation_loss[-1]
            best = trainee.weights()
        report(epoch, train_loss[-1], validation_loss[-1])
        if config.early_stopping and epoch - best_epoch >= config.patience:
            break
    return TrainedMember(
        member=member,
        weights=best if config.early_stopping else trainee.weights(),
        curve=LearningCurve(
            train_loss=tuple(train_loss),
            validation_loss=tuple(validation_loss),
            best_epoch=best_epoch,
        ),
        elapsed_s=time.perf_counter() - started,
    )


def reporter(
    on_epoch: Callable[[Progress], None] | None,
    member: Member,
    number: int,
    members: int,
) -> Callable[[int, float, float], None]:
    """Make what tells of a member's epochs.

    Args:
        on_epoch: Who is told; nobody if None.
        member: The member.
        number: Its place in the fleet, counted from 1.
        members: Members of the fleet.

    Returns:
        What ``train_member`` takes as ``report``.
    """

    def report(epoch: int, train_loss: float, validation_loss: float) -> None:
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
