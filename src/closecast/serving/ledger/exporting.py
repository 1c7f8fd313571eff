"""The ledger as a table for other programs, a row for each forecast step."""

from pathlib import Path
from typing import Any

import numpy as np

from closecast.durable import write_durably
from closecast.errors import SettingError
from closecast.serving.ledger.chain import forecast_of, written
from closecast.serving.ledger.ledger import Ledger
from closecast.serving.ledger.truth import Past

SCORES = ("truth", "factor", "scale", "crps", "pit", "in_50", "in_80", "in_95")
KINDS = (".csv", ".parquet")


def export(ledger: Ledger, path: Path) -> int:
    """Write all forecasts with what came of them into one file.

    Args:
        ledger: The ledger.
        path: Ends in ``.csv`` or ``.parquet``; an older file is replaced.

    Returns:
        Rows written. Columns are those of ``Forecast.to_columns``, in the prices of the
        day, then number, model, late, as_of, hash and the score, empty where the step
        has not come true.

    Raises:
        LedgerError: The database does not answer.
        SettingError: The file ends otherwise.
    """
    import pyarrow as pa  # type: ignore[import-untyped]

    if path.suffix not in KINDS:
        raise SettingError(
            f"Expected a file that ends in .parquet or .csv, got {str(path)!r}. Name "
            "one of these."
        )
    rows = [row for past in ledger.entries() for row in _rows(past)]
    content = pa.BufferOutputStream()
    _write(pa.Table.from_pylist(rows), path.suffix, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, memoryview(content.getvalue()))
    return len(rows)


def _rows(past: Past) -> list[dict[str, Any]]:
    entry = past.entry
    table = forecast_of([entry]).to_columns()
    columns = {name: _plain(column) for name, column in table.items()}
    scores = {score.step: score for score in past.scores}
    return [
        {name: column[at] for name, column in columns.items()}
        | {
            "number": entry.number,
            "model": entry.model,
            "late": entry.late,
            "as_of": written(entry.as_of),
            "hash": entry.hash,
        }
        | {name: getattr(scores.get(at + 1), name, None) for name in SCORES}
        for at in range(entry.horizon)
    ]


def _plain(column: np.ndarray) -> list[Any]:
    if column.dtype.kind == "M":
        column = column.astype("datetime64[D]")
    return list(column.tolist())


def _write(table: Any, suffix: str, content: Any) -> None:  # noqa: ANN401  pyarrow
    if suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(table, content)
    else:
        from pyarrow import parquet

        parquet.write_table(table, content)
