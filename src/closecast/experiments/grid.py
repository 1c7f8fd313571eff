"""A grid: every combination of some settings' values, each with some seeds.

It refuses what cannot be compared: the winner of a grid is the one of the least
validation loss, so all members must have the same loss over the same windows.
"""

import difflib
import hashlib
import itertools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from closecast.errors import SettingError
from closecast.experiments.members import Candidate, Value
from closecast.models.config import require_whole
from closecast.training.settings import Settings
from closecast.windows import Split

MAX_UNASKED = 10_000
"""Members that a grid may have without asking first."""

SEEDS = 5
"""Seeds of each combination, where nothing else is said."""

MOST_FOLDS = 100

LONGEST_NAME = 120
"""Characters of a member's name; a longer one becomes a hash, as folders need."""

INCOMPARABLE = {
    "head": "losses of different heads are not of one unit",
    "horizon": "losses over different horizons are not of one task",
    "validation_start": "members must be compared on the same validation windows",
    "test_start": "members must be compared on the same validation windows",
    "calendar": "it names sessions and trains nothing",
    "seed": "the first seed is a setting, and their number is seeds",
}
"""Settings that cannot be varied against each other, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Settings that are varied, and those that are not.

    Attributes:
        base: Settings that all members share.
        axes: Values of each varied setting.
        seeds: Seeds of each combination, from ``base.seed`` on.
        folds: Validation blocks, one before the other, that each is trained before.
    """

    base: Settings
    axes: dict[str, tuple[Value, ...]]
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
        yes: bool = False,
    ) -> "Grid":
        """Check a grid.

        Args:
            axes: A list of values for each varied setting.
            seeds: Seeds of each combination.
            settings: Settings that all members share.
            folds: Validation blocks that each combination is chosen on.
            yes: Whether more than ``MAX_UNASKED`` members are meant.

        Returns:
            The grid, its values as ``Settings`` keeps them.

        Raises:
            SettingError: A setting is unknown, cannot be varied or is out of its
                range, or there are no members or too many.
        """
        require_whole("seeds", seeds, 1, 1_000_000)
        require_whole("folds", folds, 1, MOST_FOLDS)
        base = Settings.of(settings)
        if not axes:
            raise SettingError(
                "Expected a grid of at least one setting, got none. Give a list of "
                "values for each setting to vary, such as learning_rate."
            )
        for name in set(axes) & set(settings):
            raise SettingError(
                f"Expected {name} to be one value or varied, got both. Keep it in "
                "the grid or out of it."
            )
        checked = {name: values_of(name, values) for name, values in axes.items()}
        grid = cls(base=base, axes=checked, seeds=int(seeds), folds=int(folds))
        require_meant(grid.size, yes=yes)
        return grid

    @property
    def size(self) -> int:
        """Number of members."""
        return (
            self.seeds
            * self.folds
            * math.prod(len(values) for values in self.axes.values())
        )

    @property
    def longest_context(self) -> int:
        """Bars that the members read at most."""
        contexts = self.axes.get("context_length", (self.base.context_length,))
        return max(int(length) for length in contexts)

    def members(self, splits: Sequence[Split] = ()) -> list[Candidate]:
        """List the members: combinations in the order of the grid, seeds innermost.

        Args:
            splits: The folds, oldest first, where there are several.

        Returns:
            One for each combination, fold and seed.

        Raises:
            SettingError: Two values of a combination contradict each other.
        """
        members = []
        for place in itertools.product(*self.axes.values()):
            values = dict(zip(self.axes, place, strict=True))
            for seed in range(self.base.seed, self.base.seed + self.seeds):
                settings = replace(self.base, **values, seed=seed)  # type: ignore[arg-type]
                one = Candidate(
                    name=member_name(values, seed), values=values, settings=settings
                )
                members += by_fold(one, splits)
        return members

    def to_config(self) -> dict[str, Any]:
        """Lay the grid out for ``config.toml``.

        Returns:
            Settings at the top and the table ``grid``; a setting that is None is left
            out.
        """
        config = {
            **{k: v for k, v in self.base.to_dict().items() if v is not None},
            "seeds": self.seeds,
            "grid": {name: list(values) for name, values in self.axes.items()},
        }
        if self.folds > 1:
            config["folds"] = self.folds
        for name in self.axes:
            del config[name]
        return config


def require_meant(size: int, *, yes: bool) -> None:
    """Refuse an experiment that nobody means to wait for.

    Args:
        size: Its members.
        yes: Whether it is meant all the same.

    Raises:
        SettingError: It has more than ``MAX_UNASKED``.
    """
    if size > MAX_UNASKED and not yes:
        raise SettingError(
            f"Expected at most {MAX_UNASKED:,} members, got {size:,}. Vary less, or "
            "say that you mean it: --yes, yes=True in Python."
        )


def by_fold(member: Candidate, splits: Sequence[Split]) -> list[Candidate]:
    """Give the same model before each validation block.

    Args:
        member: The model.
        splits: The folds, oldest first.

    Returns:
        One for each fold, whose settings say which; the model itself where there is
        one fold alone.
    """
    if len(splits) <= 1:
        return [member]
    return [
        replace(
            member,
            name=f"{member.name},fold={fold}",
            fold=fold,
            settings=replace(
                member.settings,
                validation_start=str(split.validation_start),
                test_start=str(split.test_start),
            ),
        )
        for fold, split in enumerate(splits, start=1)
    ]


class Varied(NamedTuple):
    """What a file of an experiment says, not checked yet but for settings' names.

    Attributes:
        axes: The table of what is varied.
        seeds: Seeds of each combination.
        folds: Validation blocks that each is chosen on.
        settings: Settings that all members share.
    """

    axes: dict[str, Any]
    seeds: int
    folds: int
    settings: dict[str, Any]


def read_grid(path: Path, table: str = "grid", seeds: int = SEEDS) -> Varied:
    """Read a file: settings, ``seeds``, ``folds``, and a table of what is varied.

    Args:
        path: A TOML file.
        table: Name of the table.
        seeds: Seeds where the file has none.

    Returns:
        What it says.

    Raises:
        SettingError: It is no TOML file, has no such table, or a setting is unknown.
    """
    advice = f"Write settings, then [{table}] and a line for each setting to vary."
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(
            f"Expected a TOML file with a table [{table}], got none that can be read "
            f"({path}: {error}). {advice}"
        ) from error
    axes = content.pop(table, None)
    if not isinstance(axes, dict):
        raise SettingError(
            f"Expected a table [{table}], got {axes!r} ({path}). {advice}"
        )
    count, folds = content.pop("seeds", seeds), content.pop("folds", 1)
    Settings.of(content)  # what is no setting is no argument of a function either
    return Varied(axes, count, folds, content)


def require_varied(name: str) -> None:
    """Refuse a setting whose values cannot be compared in one experiment.

    Args:
        name: Name of the setting.

    Raises:
        SettingError: It is unknown or cannot be varied.
    """
    known = [field.name for field in fields(Settings)]
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
        raise SettingError(
            f"Expected a known setting in the grid, got {name!r}. Did you mean "
            f"{near!r}?"
        )
    if name in INCOMPARABLE:
        raise SettingError(
            f"Expected a setting that can be compared in one grid, got {name}: "
            f"{INCOMPARABLE[name]}. Leave it out of the grid."
        )


def values_of(name: str, values: object) -> tuple[Value, ...]:
    """Check the values that a setting is varied over.

    Args:
        name: Name of the setting.
        values: A list of them.

    Returns:
        The values as ``Settings`` keeps them.

    Raises:
        SettingError: The setting cannot be varied, or a value is out of its range or
            named twice.
    """
    require_varied(name)
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise SettingError(
            f"Expected a list of values for {name}, got {values!r}. Write "
            f"[{values!r}], or set it outside the grid."
        )
    checked = tuple(getattr(Settings.of({name: value}), name) for value in values)
    if not checked:
        raise SettingError(
            f"Expected a grid of at least one member, got no value of {name}. Give "
            "it values or leave it out of the grid."
        )
    if len(set(checked)) < len(checked):
        raise SettingError(
            f"Expected different values of {name}, got {list(checked)}. Name each once."
        )
    return checked


def member_name(values: Mapping[str, Value], seed: int) -> str:
    """Name a member by its values, so that the same model has the same name.

    Args:
        values: A value of each varied setting.
        seed: Its seed.

    Returns:
        A name that folders take.
    """
    parts = [f"{name}={value}" for name, value in {**values, "seed": seed}.items()]
    name = ",".join(re.sub(r"[^\w=.+-]", "_", part) for part in parts)
    if len(name) <= LONGEST_NAME:
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:16] + f",seed={seed}"
