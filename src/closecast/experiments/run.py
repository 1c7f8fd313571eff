"""A run: the folder that tells the whole story of a model and can be read again."""

import csv
import hashlib
import io
import json
import os
import platform
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from closecast.durable import write_durably
from closecast.errors import ClosecastWarning, ModelError
from closecast.experiments.evidence import MAX_ROWS, Evidence, write_evidence
from closecast.experiments.forecaster import Evaluation, Forecaster
from closecast.experiments.verify import write_sums
from closecast.forecast import Forecast
from closecast.market.bars import Bars

RECENT_CLOSES = 60

CONFIG, DATA = "config.toml", "data.json"
"""The files that say what a run is: made first, and never changed."""

DIFFERENCES_SHOWN = 6


def write_run(
    folder: Path, forecaster: Forecaster, evaluation: Evaluation, source: str
) -> None:
    """Write model/, forecast.csv, closes.csv, scoreboard.json and what it is made of.

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
    seal(folder, evaluation.evidence)


def seal(folder: Path, evidence: Evidence) -> None:
    """Write the forecasts behind a scoreboard, and the sums of all files, last.

    Args:
        folder: The run.
        evidence: What its scoreboard is made of.
    """
    store_evidence(folder, evidence)
    write_sums(folder)


def store_evidence(folder: Path, evidence: Evidence) -> None:
    """Write the forecasts behind a scoreboard, or say that they are too many.

    Args:
        folder: The run.
        evidence: What its scoreboard is made of.
    """
    if not write_evidence(folder, evidence):
        warnings.warn(
            f"{evidence.num_rows:,} forecasts are too many to store (at most "
            f"{MAX_ROWS:,}): this run cannot be verified.",
            ClosecastWarning,
            stacklevel=3,
        )


def write_forecast(path: Path, forecast: Forecast, *, path_bands: bool = False) -> None:
    """Write a forecast as CSV, the same bytes for the same forecast.

    Args:
        path: The file.
        forecast: What to write; columns as in ``Forecast.to_columns``.
        path_bands: Whether to add the bands of the whole path.
    """
    write_table(path, forecast.to_columns(path_bands=path_bands))


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


@contextmanager
def open_run(
    folder: Path, config: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[None]:
    """Begin a run, or go on with one that was cut off.

    While it is open no other process opens the folder, on systems with file locks.

    Args:
        folder: The run; made if absent.
        config: What ``config.toml`` says: plain values, lists and tables of them.
        data: What ``data.json`` says of the prices; its ``source`` is a name only.

    Yields:
        Nothing, while the folder is this run's.

    Raises:
        ModelError: The folder is of another run, of no run, or in use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        for left_over in folder.rglob(".*.tmp"):  # of a process that was killed
            left_over.unlink()
        begun = [name for name in (DATA, CONFIG) if (folder / name).exists()]
        if not begun and any(folder.iterdir()):
            raise ModelError(
                f"Expected a new folder or the run that is asked for, got one with "
                f"other files ({folder}). Give another folder."
            )
        found = {DATA: read_json, CONFIG: read_config}
        expected: dict[str, Mapping[str, Any]] = {DATA: data, CONFIG: config}
        for name in begun:
            _require_same(folder / name, found[name](folder / name), expected[name])
        if DATA not in begun:
            write_json(folder / DATA, data)
        if CONFIG not in begun:
            write_durably(folder / CONFIG, _to_toml(config).encode())
        yield


def config_with_hash(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put the hash of a configuration before it.

    Args:
        config: Plain values, lists and tables of them.

    Returns:
        The same with ``hash``, SHA-256 of all of it.
    """
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return {"hash": hashlib.sha256(text.encode()).hexdigest(), **config}


def data_record(bars: Bars, source: str) -> dict[str, Any]:
    """Say which prices a run was made from.

    Args:
        bars: The panel.
        source: What the prices are called: "sample" or a file's name.

    Returns:
        What ``data.json`` says.
    """
    return {
        "fingerprint": bars.fingerprint,
        "source": source,
        "symbols": list(bars.symbols),
        "first": str(bars.dates.min()),
        "last": str(bars.dates.max()),
        "bars": len(bars),
    }


def write_json(path: Path, value: object) -> None:
    """Write plain values as JSON, the same bytes for the same values.

    Args:
        path: The file.
        value: Plain values, none of them NaN.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_durably(path, text.encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read an object that ``write_json`` wrote.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ModelError: There is none that can be read.
    """
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"Expected a file of a run, got none that can be read ({path}: {error}). "
            "Give the folder that a run was written to."
        ) from error


def read_config(path: Path) -> dict[str, Any]:
    """Read the configuration of a run.

    Args:
        path: Its ``config.toml``.

    Returns:
        Its content.

    Raises:
        ModelError: There is none that can be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"Expected the configuration of a run, got none that can be read ({path}: "
            f"{error}). Give another folder."
        ) from error


def _require_same(
    path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    there, asked = _flat(found), _flat(expected)
    differences = [
        f"{name}: {there.get(name, 'none')} there, {asked.get(name, 'none')} asked for"
        for name in {**there, **asked}
        if name not in {"hash", "source"} and there.get(name) != asked.get(name)
    ]
    if differences:
        more = len(differences) - DIFFERENCES_SHOWN
        shown = "; ".join(differences[:DIFFERENCES_SHOWN])
        raise ModelError(
            f"Expected the run that is asked for, got another one ({path}: {shown}"
            f"{f'; {more} more' if more > 0 else ''}). Give another folder, or the "
            "settings, prices and versions of this one."
        )


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _to_toml(table: Mapping[str, Any], prefix: str = "") -> str:
    # values first: what follows a table's header belongs to it
    lines = [
        f"{name} = {json.dumps(value)}"
        for name, value in table.items()
        if not isinstance(value, Mapping)
    ]
    for name, value in table.items():
        if isinstance(value, Mapping):
            header = f"[{prefix}{name}]"
            lines += ["", header, _to_toml(value, f"{prefix}{name}.").rstrip("\n")]
    return "\n".join(lines) + "\n"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if platform.system() == "Windows":  # no lock that a killed process lets go
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ModelError(
                f"Expected a run that no other process works on, got one in use "
                f"({folder}). Wait for it, or give another folder."
            ) from error
        yield
    finally:
        os.close(handle)
