"""A run: the folder that tells the whole story of a model and can be read again."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from closecast.experiments.forecaster import Evaluation, Forecaster
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.training.checkpoint import write_durably

RECENT_CLOSES = 60


def write_run(
    folder: Path, forecaster: Forecaster, evaluation: Evaluation, source: str
) -> None:
    """Write model/, forecast.csv, closes.csv and scoreboard.json.

    Args:
        folder: Where to; made if absent.
        forecaster: A fitted forecaster.
        evaluation: What it is worth.
        source: What the prices are called: "sample" or a file's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bars = evaluation.bars
    forecaster.save(folder / "model")
    write_forecast(folder / "forecast.csv", forecaster.forecast(bars))
    write_table(folder / "closes.csv", recent_closes(bars))
    board = evaluation.to_dict()
    board["data"]["source"] = source
    text = json.dumps(board, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_durably(folder / "scoreboard.json", text.encode())


def write_forecast(path: Path, forecast: Forecast) -> None:
    """Write a forecast as CSV, the same bytes for the same forecast.

    Args:
        path: The file.
        forecast: What to write; columns as in ``Forecast.to_columns``.
    """
    write_table(path, forecast.to_columns())


def write_table(path: Path, columns: Mapping[str, Shaped[np.ndarray, " row"]]) -> None:
    """Write columns as CSV.

    Args:
        path: The file.
        columns: Columns of one length; floats are written to ten digits.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_text(value) for value in row])
    write_durably(path, buffer.getvalue().encode())


def _text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def recent_closes(bars: Bars) -> dict[str, Shaped[np.ndarray, " row"]]:
    """Take the closes that a report draws before a forecast.

    Args:
        bars: The panel.

    Returns:
        Columns symbol, date and close of the last sessions of each symbol.
    """
    rows = np.arange(len(bars))
    recent = rows[rows >= bars.ends - RECENT_CLOSES]
    return {
        "symbol": bars.names(recent),
        "date": bars.dates[recent],
        "close": bars.close[recent],
    }
