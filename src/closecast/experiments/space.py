"""A space: settings that a search varies, each over a list of values or a range."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from closecast.errors import SettingError
from closecast.experiments.grid import (
    MOST_FOLDS,
    Varied,
    read_grid,
    require_varied,
    values_of,
)
from closecast.experiments.members import Value
from closecast.models.config import require_flag, require_number, require_whole
from closecast.training.settings import Settings

SEEDS = 1
"""Seeds of each proposal, where nothing else is said: a search looks at many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Values from ``low`` to ``high``, both among them.

    Attributes:
        low: The least.
        high: The greatest.
        log: Whether each factor of ten counts the same, as for a learning rate.
        whole: Whether only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


Axis = tuple[Value, ...] | Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Settings that are varied, and those that are not.

    Attributes:
        base: Settings that all candidates share.
        axes: Values or range of each varied setting.
        seeds: Seeds of each proposal, from ``base.seed`` on.
        folds: Validation blocks, one before the other, that each is trained before.
    """

    base: Settings
    axes: dict[str, Axis]
    seeds: int
    folds: int = 1

    @classmethod
    def of(
        cls,
        axes: Mapping[str, Any],
        seeds: int,
        settings: Mapping[str, Any],
        *,
        folds: int = 1,
    ) -> "Space":
        """Check a space.

        Args:
            axes: For each varied setting a list of values, or a range: a mapping of
                ``low``, ``high`` and perhaps ``log``.
            seeds: Seeds of each proposal.
            settings: Settings that all candidates share.
            folds: Validation blocks that each proposal is worth its mean over.

        Returns:
            The space.

        Raises:
            SettingError: A setting is unknown, cannot be varied or is out of its
                range.
        """
        require_whole("seeds", seeds, 1, 1_000_000)
        require_whole("folds", folds, 1, MOST_FOLDS)
        base = Settings.of(settings)
        if not axes:
            raise SettingError(
                "Expected a space of at least one setting, got none. Give a list or a "
                "range for each setting to vary, such as learning_rate."
            )
        for name in set(axes) & set(settings):
            raise SettingError(
                f"Expected {name} to be one value or varied, got both. Keep it in "
                "the space or out of it."
            )
        checked = {
            name: _range(name, axis)
            if isinstance(axis, Mapping)
            else values_of(name, axis)
            for name, axis in axes.items()
        }
        return cls(base=base, axes=checked, seeds=int(seeds), folds=int(folds))

    @property
    def longest_context(self) -> int:
        """Bars that the candidates read at most."""
        axis = self.axes.get("context_length", (self.base.context_length,))
        if isinstance(axis, Range):
            return int(axis.high)
        return max(int(length) for length in axis)

    def to_config(self) -> dict[str, Any]:
        """Lay the space out for ``config.toml``.

        Returns:
            Settings at the top and the table ``space``; a setting that is None is
            left out.
        """
        base = {k: v for k, v in self.base.to_dict().items() if v is not None}
        return {
            **{name: value for name, value in base.items() if name not in self.axes},
            "seeds": self.seeds,
            **({"folds": self.folds} if self.folds > 1 else {}),
            "space": {
                name: asdict(axis) if isinstance(axis, Range) else list(axis)
                for name, axis in self.axes.items()
            },
        }


def read_space(path: Path) -> Varied:
    """Read a space's file: settings, ``seeds``, ``folds`` and a table ``[space]``.

    Args:
        path: A TOML file.

    Returns:
        What it says; ``SEEDS`` if it names none.

    Raises:
        SettingError: It is no TOML file, has no table ``[space]``, or a setting is
            unknown.
    """
    return read_grid(path, "space", SEEDS)


def _range(name: str, axis: Mapping[str, Any]) -> Range:
    require_varied(name)
    kinds = {field.name: field.type for field in fields(Settings)}
    unknown = [key for key in axis if key not in {"low", "high", "log"}]
    missing = [key for key in ("low", "high") if key not in axis]
    if kinds[name] not in {int, float} or unknown or missing:
        raise SettingError(
            f"Expected {name} to have a list of values, or as a number a range of low, "
            f"high and log, got {json.dumps(dict(axis), default=str)}. Write "
            "{low = 0.001, high = 0.1, log = true}."
        )
    whole = kinds[name] is int
    low, high = (
        getattr(Settings.of({name: axis[end]}), name) for end in ("low", "high")
    )
    log = axis.get("log", False)
    require_flag(f"log of {name}", log)
    require_number(f"high of {name}", high, low, float("inf"), open_ends="low high")
    if log:
        require_number(f"low of {name}", low, 0.0, high, open_ends="low high")
    return Range(low=low, high=high, log=log, whole=whole)
