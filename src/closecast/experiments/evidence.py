"""Every forecast behind a scoreboard, so that its figures can be made again.

One Parquet file, a row for each window and step: what came, the volatility that it is
measured in, and of every model the mean, the 39 quantiles and the band of the path.
They are stored in single precision and scored as they are stored, so that nothing is
lost between the two.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from closecast.durable import write_durably
from closecast.errors import IntegrityError
from closecast.forecast import LEVELS, MEDIAN, Forecast

EVIDENCE = "evidence.parquet"

MAX_ROWS = 2_000_000
"""Windows x steps x models that are stored at most: some hundred megabytes."""

COMPRESSION_LEVEL = 9
MEAN, QUANTILES, PATH = ":mean", ":quantiles", ":path"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What a scoreboard is made of.

    Attributes:
        forecasts: Forecasts of the same windows by name, the judged model first.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.
    """

    forecasts: Mapping[str, Forecast]
    truth: Float[np.ndarray, "window horizon"]
    scale: Float[np.ndarray, " window"]

    @property
    def num_rows(self) -> int:
        """Windows x steps x models."""
        return self.truth.size * len(self.forecasts)


def as_stored(forecast: Forecast) -> Forecast:
    """Round a forecast to what is stored of it.

    Args:
        forecast: The forecast.

    Returns:
        All that it says in single precision, as double.
    """
    stretch = forecast.path_stretch
    return replace(
        forecast,
        mean=_single(forecast.mean),
        quantiles=_single(forecast.quantiles),
        path_stretch=None if stretch is None else _single(stretch),
    )


def _single(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(np.float64)


def write_evidence(folder: Path, evidence: Evidence) -> bool:
    """Write ``evidence.parquet``.

    Args:
        folder: The run.
        evidence: What its scoreboard is made of.

    Returns:
        Whether it was written: not where it is more than ``MAX_ROWS``.
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    if evidence.num_rows > MAX_ROWS:
        return False
    own = next(iter(evidence.forecasts.values()))
    horizon = own.horizon
    columns = {
        "symbol": np.repeat(own.symbols, horizon),
        "cutoff": np.repeat(own.cutoffs, horizon),
        "step": np.tile(np.arange(1, horizon + 1), len(own)),
        "date": own.target_dates.ravel(),
        "last_close": np.repeat(own.last_close, horizon),
        "truth": evidence.truth.ravel(),
        "scale": np.repeat(evidence.scale, horizon),
    }
    for name, forecast in evidence.forecasts.items():
        flat = pa.array(forecast.quantiles.astype(np.float32).ravel())
        columns[name + MEAN] = forecast.mean.astype(np.float32).ravel()
        columns[name + QUANTILES] = pa.FixedSizeListArray.from_arrays(flat, len(LEVELS))
        if forecast.path_stretch is not None:
            each = np.repeat(forecast.path_stretch.astype(np.float32), horizon, axis=0)
            columns[name + PATH] = pa.FixedSizeListArray.from_arrays(
                pa.array(each.ravel()), MEDIAN
            )
    buffer = io.BytesIO()
    parquet.write_table(
        pa.table(columns),
        buffer,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=["symbol", "cutoff", "date", "step"],
    )
    write_durably(folder / EVIDENCE, buffer.getvalue())
    return True


def read_evidence(folder: Path) -> Evidence:
    """Read what ``write_evidence`` wrote.

    Args:
        folder: The run.

    Returns:
        The forecasts as they were scored.

    Raises:
        IntegrityError: There is no such file, or not as it was written.
    """
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(folder / EVIDENCE)
        return _evidence(table)
    except (OSError, KeyError, ValueError, ArrowException) as error:
        raise IntegrityError(
            f"Expected the forecasts behind the scoreboard, got none that can be read "
            f"({folder / EVIDENCE}: {error}). Restore the file, or evaluate again."
        ) from error


def _evidence(table: Any) -> Evidence:  # noqa: ANN401  a pyarrow table
    horizon = int(np.asarray(table["step"]).max())
    first = slice(None, None, horizon)
    window = {
        name: np.asarray(table[name])[first]
        for name in ("symbol", "cutoff", "last_close", "scale")
    }
    names = [n.removesuffix(MEAN) for n in table.column_names if n.endswith(MEAN)]
    forecasts = {
        name: Forecast(
            symbols=window["symbol"].astype(str),
            cutoffs=window["cutoff"].astype("datetime64[D]"),
            target_dates=_grid(table, "date", horizon).astype("datetime64[D]"),
            last_close=window["last_close"],
            mean=_grid(table, name + MEAN, horizon).astype(np.float64),
            quantiles=_lists(table, name + QUANTILES).reshape(-1, horizon, len(LEVELS)),
            path_stretch=_lists(table, name + PATH).reshape(-1, MEDIAN)[first]
            if name + PATH in table.column_names
            else None,
        )
        for name in names
    }
    return Evidence(
        forecasts=forecasts,
        truth=_grid(table, "truth", horizon),
        scale=window["scale"],
    )


def _grid(table: Any, name: str, horizon: int) -> np.ndarray:  # noqa: ANN401
    return np.asarray(table[name]).reshape(-1, horizon)


def _lists(table: Any, name: str) -> np.ndarray:  # noqa: ANN401
    return np.asarray(table[name].combine_chunks().flatten(), dtype=np.float64)
