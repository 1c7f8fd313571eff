"""A walk forward as a run folder, which a report can be drawn from."""

import io
import json
from pathlib import Path

from closecast.durable import write_durably
from closecast.experiments.backtest import Backtest
from closecast.experiments.evidence import Evidence
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.run import recent_closes, seal, write_forecast, write_table
from closecast.market.readers import frame_of


def write_backtest(folder: Path, result: Backtest, source: str) -> None:
    """Write scoreboard.json, forecasts.parquet, folds.json and the newest model.

    ``model/`` is the newest fold's, ``forecast.csv`` what it says after the last bar.

    Args:
        folder: Where to; made if absent.
        result: What the walk found.
        source: What the prices are called: "sample" or a file's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    newest = Forecaster.of_fitted(result.fitted)
    newest.save(folder / "model")
    write_forecast(folder / "forecast.csv", newest.forecast(result.bars))
    write_table(folder / "closes.csv", recent_closes(result.bars))
    write_durably(folder / "forecasts.parquet", _parquet(result))
    board = result.to_dict()
    board["data"]["source"] = source
    for name, content in (
        ("folds.json", result.folds_to_dict()),
        ("scoreboard.json", board),
    ):
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        write_durably(folder / name, f"{text}\n".encode())
    seal(
        folder,
        Evidence(forecasts=result.forecasts, truth=result.truth, scale=result.scale),
    )


def _parquet(result: Backtest) -> bytes:
    from pyarrow import parquet  # type: ignore[import-untyped]

    buffer = io.BytesIO()
    parquet.write_table(frame_of(result.to_columns(), "pyarrow"), buffer)
    return buffer.getvalue()
