"""What members lost on each validation date: what they are chosen and doubted by.

Two losses a date, averaged over its symbols and over the steps: small enough to be kept
of every member, and all that is needed to ask how much of a winner is luck.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from closecast.durable import write_durably
from closecast.errors import ModelError
from closecast.evaluation.luck import BENCHMARKS, Luck, Series, judge_luck
from closecast.evaluation.scores import crps, squared_error
from closecast.evaluation.significance import average_per_date
from closecast.forecast import Forecast, Forecaster
from closecast.market.bars import Bars
from closecast.windows import WindowData

LOSSES = "validation.safetensors"
"""A member's losses, in its folder."""

VALIDATION = "validation.parquet"
"""The losses of all members and of the baselines, in the run's folder."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DateLosses:
    """What a forecaster lost on each date.

    Attributes:
        crps: Mean CRPS in units of the symbol's volatility at the cutoff.
        squared_error: Mean squared error in units of squared volatility x step.
    """

    crps: Float[np.ndarray, " date"]
    squared_error: Float[np.ndarray, " date"]

    @classmethod
    def of(
        cls, forecast: Forecast, data: WindowData, rows: Int[np.ndarray, " window"]
    ) -> "DateLosses":
        """Measure a forecast.

        Args:
            forecast: The forecast.
            data: The panel.
            rows: Its cutoffs, whose targets have come.

        Returns:
            Its losses, the oldest date first.
        """
        truth, scale = data.target(rows), data.scale[rows][:, None]
        squares = squared_error(forecast, truth) / data.unit(rows) ** 2
        return cls(
            crps=average_per_date(
                (crps(forecast, truth) / scale).mean(axis=1), forecast.cutoffs
            ),
            squared_error=average_per_date(squares.mean(axis=1), forecast.cutoffs),
        )


def joined(losses: Iterable[DateLosses]) -> DateLosses:
    """Put the dates of several folds after each other.

    Args:
        losses: What the same settings lost in each fold, the oldest first.

    Returns:
        The losses of all dates.
    """
    folds = list(losses)
    return DateLosses(
        crps=np.concatenate([one.crps for one in folds]),
        squared_error=np.concatenate([one.squared_error for one in folds]),
    )


def write_losses(folder: Path, losses: DateLosses) -> None:
    """Write a member's losses into its folder.

    Args:
        folder: The folder.
        losses: Its losses.
    """
    from safetensors.numpy import save

    table = {"crps": losses.crps, "squared_error": losses.squared_error}
    write_durably(folder / LOSSES, save(table))


def read_losses(folder: Path) -> DateLosses:
    """Read what ``write_losses`` wrote.

    Args:
        folder: A member's folder.

    Returns:
        Its losses.

    Raises:
        ModelError: They are missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return DateLosses(**load((folder / LOSSES).read_bytes()))
    except (OSError, TypeError, SafetensorError) as error:
        raise ModelError(
            "Expected what a member lost on each validation date, got none that can "
            f"be read ({folder / LOSSES}: {error}). Without it nothing is said of a "
            "winner: delete the member's folder and run the same command again."
        ) from error


def baseline_losses(
    baselines: Sequence[Forecaster[Bars]],
    bars: Bars,
    data: WindowData,
    rows: Int[np.ndarray, " window"],
) -> dict[str, DateLosses]:
    """Measure the baselines that evidence has to beat.

    Args:
        baselines: Baselines, fitted to the training block.
        bars: The panel.
        data: Its tables.
        rows: Cutoffs of the validation windows.

    Returns:
        Losses of each by name.
    """
    needed = {name for names in BENCHMARKS.values() for name in names}
    return {
        one.name: DateLosses.of(one.forecast(bars, rows), data, rows)
        for one in baselines
        if one.name in needed
    }


def ask_luck(
    members: Mapping[str, DateLosses],
    baselines: Mapping[str, DateLosses],
    *,
    winner: str,
    trials: int,
    horizon: int,
) -> tuple[Luck, ...]:
    """Ask what luck can explain of a winner, by each loss.

    Args:
        members: Losses of every member that was trained.
        baselines: Losses of the baselines.
        winner: Name of the winner.
        trials: Models ever trained on these prices.
        horizon: Steps that losses are averaged over.

    Returns:
        The answers; none where nothing was chosen from.
    """
    if trials == 1:
        return ()

    def series(losses: Mapping[str, DateLosses], score: str) -> Series:
        return {name: getattr(one, score) for name, one in losses.items()}

    with threadpool_limits(1, "blas"):  # the same sums on a machine of any cores
        return tuple(
            judge_luck(
                series(members, score),
                series(baselines, score),
                winner=winner,
                trials=trials,
                horizon=horizon,
                score=score,
            )
            for score in BENCHMARKS
        )


def write_validation(
    folder: Path,
    dates: Shaped[np.ndarray, " date"],
    members: Mapping[str, DateLosses],
    baselines: Mapping[str, DateLosses],
) -> None:
    """Write all losses as one table: what the answers about luck are made of.

    Args:
        folder: The run.
        dates: The validation dates.
        members: Losses of each member.
        baselines: Losses of each baseline.
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    every = [*members.values(), *baselines.values()]
    names = [*members, *baselines]
    table = {
        "name": pa.array(np.repeat(names, len(dates))).dictionary_encode(),
        "is_member": np.repeat(np.arange(len(names)) < len(members), len(dates)),
        "date": np.tile(dates.astype("datetime64[D]"), len(names)),
        "crps": np.concatenate([one.crps for one in every]),
        "squared_error": np.concatenate([one.squared_error for one in every]),
    }
    buffer = io.BytesIO()
    parquet.write_table(pa.table(table), buffer, compression="zstd")
    write_durably(folder / VALIDATION, buffer.getvalue())


def read_validation(
    folder: Path,
) -> tuple[dict[str, DateLosses], dict[str, DateLosses]]:
    """Read what ``write_validation`` wrote.

    Args:
        folder: The run.

    Returns:
        Losses of the members, and of the baselines.

    Raises:
        ModelError: The table is missing or damaged.
    """
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(folder / VALIDATION)
        names = np.asarray(table["name"].cast("string").to_numpy()).astype(str)
        column = {
            name: table[name].to_numpy()
            for name in ("is_member", "crps", "squared_error")
        }
    except (OSError, KeyError, ArrowException) as error:
        raise ModelError(
            "Expected what all members lost on each validation date, got none that can "
            f"be read ({folder / VALIDATION}: {error}). Run the sweep again."
        ) from error
    found: tuple[dict[str, DateLosses], dict[str, DateLosses]] = ({}, {})
    member = column["is_member"]
    begins = (names[1:] != names[:-1]) | (member[1:] != member[:-1])
    edges = [0, *(np.flatnonzero(begins) + 1).tolist(), len(names)]
    for start, end in pairwise(edges):
        found[0 if member[start] else 1][str(names[start])] = DateLosses(
            crps=column["crps"][start:end],
            squared_error=column["squared_error"][start:end],
        )
    return found
