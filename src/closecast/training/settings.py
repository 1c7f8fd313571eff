"""Every setting of a training, flat and frozen: one name everywhere.

A setting is a keyword, a key of a file and an option of the command line under the
same name; settings never change once made, so none leaks into the next experiment.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

import numpy as np

from closecast.engine import ENGINES
from closecast.engine.fleet import OptimizerConfig
from closecast.errors import SettingError
from closecast.market.own import OwnNames
from closecast.models.config import (
    MAX_SEED,
    NetworkConfig,
    require_choice,
    require_whole,
)
from closecast.models.heads import choose_loss
from closecast.windows.own_states import own_size
from closecast.windows.scaling import FEATURES
from closecast.windows.spec import WindowSpec
from closecast.windows.states import NONE, state_groups, state_size

CALIBRATIONS = ("none", "conformal")

BLENDS = ("none", "ewma_t")

OWN_COLUMNS = ("past_columns", "known_columns", "static_columns")

MEANS = ("free", "shrunk", "zero")

WIDTHS = ("free", "fitted")

MAX_SEEDS = 1000
"""Networks of one model at most: more is a typing error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a training.

    Attributes:
        context_length: Bars that the model reads.
        horizon: Closes that it forecasts.
        states: What the head is told beyond the bars: ``"none"``, ``"all"`` or groups
            of ``closecast.windows.states.GROUPS`` with commas between.
        past_columns: Own columns known at the close of their date, with commas
            between, or ``"none"``.
        known_columns: Own columns known ahead.
        static_columns: Own columns that name a category of each symbol.
        hidden_size: Units of an LSTM layer.
        num_layers: LSTM layers.
        dropout: Chance that a unit is dropped in training.
        batch_norm: Whether the last hidden state is normalised over the batch.
        head: ``"student_t"``, ``"quantile"`` or ``"point"``.
        mean: What becomes of the mean that was learned: ``"free"`` leaves it,
            ``"shrunk"`` keeps the share that validation supports, ``"zero"`` none,
            and a Student-t is trained around 0 from the start.
        width: What becomes of the width: ``"free"`` leaves it, ``"fitted"`` stretches
            it by what training and validation support once the mean is settled.
        loss: What training makes small: ``"auto"``, ``"mse"``, ``"nll"`` or
            ``"crps"``, as far as the head has it.
        optimizer: ``"adam"``, ``"adamw"``, ``"rmsprop"`` or ``"sgd"``.
        learning_rate: Step size, the greatest of the schedule.
        schedule: How the step size goes: ``"constant"``, ``"cosine"``,
            ``"one_cycle"`` or ``"step"``.
        warmup: Share of all steps in which the step size rises from 0.
        weight_decay: L2 penalty.
        momentum: Momentum of ``"sgd"``.
        clip_norm: Greatest norm of a step's gradient; 0 shortens none.
        batch_size: Windows of a step.
        epochs: Passes over the training windows, at most.
        early_stopping: Whether the weights of the best validation epoch are kept.
        patience: Epochs without a better validation loss before stopping.
        seed: Draws first weights, the order of windows and dropout.
        seeds: Networks of the model, of seed, seed + 1 and so on; they forecast the
            mixture of their distributions.
        calibrate: ``"none"``, or ``"conformal"``: intervals are rescaled by what
            they missed on the validation tail and by every close that comes true.
        blend: ``"none"``, or ``"ewma_t"``: forecasts are averaged with EWMA-t's, by
            the share that closes which came true support in each market.
        precision: What a training step multiplies: ``"float32"``, or ``"bfloat16"``
            for drafts. Validation and forecasts are float32 either way.
        engine: What trains, as ``closecast.engine.choose_engine`` knows it.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on.
        validation_start: Date that ends training, ``YYYY-MM-DD``; None lets the
            split choose.
        test_start: Date that ends validation; None lets the split choose.
        calendar: Exchange whose sessions are forecast; ``"auto"`` finds it.
    """

    context_length: int = 10
    horizon: int = 5
    states: str = "none"
    past_columns: str = "none"
    known_columns: str = "none"
    static_columns: str = "none"
    hidden_size: int = 50
    num_layers: int = 2
    dropout: float = 0.1
    batch_norm: bool = True
    head: str = "student_t"
    mean: str = "free"
    width: str = "free"
    loss: str = "auto"
    optimizer: str = "adam"
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
    seeds: int = 1
    calibrate: str = "none"
    blend: str = "none"
    precision: str = "float32"
    engine: str = "auto"
    device: str = "cpu"
    validation_start: str | None = None
    test_start: str | None = None
    calendar: str = "auto"

    def __post_init__(self) -> None:
        for field in fields(self):  # 0, 0.0 and numpy's 0 are one setting, one hash
            value: object = getattr(self, field.name)
            plain = value.item() if isinstance(value, np.generic) else value
            if field.type is float and type(plain) is int:
                plain = float(plain)
            if field.name in OWN_COLUMNS:
                plain = _with_commas(field.name, plain)
            object.__setattr__(self, field.name, plain)
        require_whole("context_length", self.context_length, 1, 10_000)
        require_whole("horizon", self.horizon, 1, 1000)
        require_choice("engine", self.engine, ENGINES)
        require_choice("calibrate", self.calibrate, CALIBRATIONS)
        require_choice("blend", self.blend, BLENDS)
        require_choice("mean", self.mean, MEANS)
        require_choice("width", self.width, WIDTHS)
        state_groups(self.states)
        _refuse_twins([name for name, _ in self.own_columns])
        require_whole("seeds", self.seeds, 1, MAX_SEEDS)
        network, optimizer = self.network, self.optimizer_config  # check their ranges
        choose_loss(network.head, optimizer.loss)
        require_whole("seed + seeds - 1", self.seed + self.seeds - 1, 0, MAX_SEED)
        if network.batch_norm and optimizer.batch_size == 1:
            raise SettingError(
                "Expected batch_size to be at least 2 with batch_norm, got 1."
            )
        if not re.fullmatch(r"cpu|cuda(:\d+)?", str(self.device)):
            raise SettingError(
                f"Expected device to be cpu, cuda or cuda:NUMBER, got {self.device!r}."
            )
        calendar: object = self.calendar
        if not (isinstance(calendar, str) and calendar):
            raise SettingError(
                f"Expected calendar to be auto or a name, got {self.calendar!r}."
            )
        self._check_dates()

    def _check_dates(self) -> None:
        starts = {
            name: _iso_date(name, getattr(self, name))
            for name in ("validation_start", "test_start")
        }
        validation, test = starts.values()
        if validation and test and validation >= test:
            raise SettingError(
                "Expected validation_start to be before test_start, got "
                f"{self.validation_start} and {self.test_start}."
            )

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> "Settings":
        """Make settings from a mapping, a file's or a checkpoint's.

        Args:
            mapping: Values by name; what is missing keeps its default. A date may
                be a ``datetime.date``.

        Returns:
            The settings, checked.

        Raises:
            SettingError: A key is unknown or a value out of its range.
        """
        known = [field.name for field in fields(cls)]
        for key in mapping:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)[0]
                raise SettingError(
                    f"Expected a known setting, got {key!r}. Did you mean {near!r}?"
                )
        values: dict[str, Any] = {
            key: value.isoformat() if isinstance(value, date) else value
            for key, value in mapping.items()
        }
        return cls(**values)

    @property
    def window_spec(self) -> WindowSpec:
        """Shape of a window."""
        return WindowSpec(context_length=self.context_length, horizon=self.horizon)

    @property
    def own_columns(self) -> OwnNames:
        """A user's own columns that the model is told."""
        past, known, static = (
            tuple(getattr(self, name).split(",")) if getattr(self, name) != NONE else ()
            for name in OWN_COLUMNS
        )
        return OwnNames(past=past, known=known, static=static)

    @property
    def network(self) -> NetworkConfig:
        """Shape of the network."""
        return NetworkConfig(
            input_size=len(FEATURES),
            state_size=state_size(self.states)
            + own_size(self.own_columns, self.horizon),
            horizon=self.horizon,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            dropout=self.dropout,
            batch_norm=self.batch_norm,
            head=self.head,
        )

    @property
    def optimizer_config(self) -> OptimizerConfig:
        """How the network is trained."""
        return OptimizerConfig(
            optimizer=self.optimizer,
            loss=self.loss,
            centred=self.mean == "zero" and self.head == "student_t",
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            clip_norm=self.clip_norm,
            batch_size=self.batch_size,
            epochs=self.epochs,
            early_stopping=self.early_stopping,
            patience=self.patience,
            seed=self.seed,
            precision=self.precision,
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the settings as plain values.

        Returns:
            Every setting by its name; ``Settings.of`` reads it back.
        """
        return asdict(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the settings: same settings, same hash."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _refuse_twins(names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise SettingError(
            f"Expected each own column once, got {', '.join(twins)} twice. A column "
            "is past, known ahead or static."
        )


def _with_commas(name: str, value: object) -> str:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(
        isinstance(word, str) and word.strip() for word in words
    ):
        raise SettingError(
            f"Expected {name} to be {NONE} or names with commas between, got {value!r}."
        )
    return ",".join(word.strip() for word in words) or NONE


def _iso_date(name: str, value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SettingError(
            f"Expected {name} to be a date YYYY-MM-DD, got {value!r}."
        ) from None
