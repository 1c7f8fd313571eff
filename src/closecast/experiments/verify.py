"""Verify a run: make every figure of its scoreboard again from what is stored.

A figure that nobody can recompute is an anecdote. Files are compared with the sums
written beside them, the model with its own, figures with what the stored forecasts
give, and, where prices are given, what came with the prices themselves.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from closecast.durable import write_durably
from closecast.errors import ClosecastError, IntegrityError
from closecast.evaluation.scoreboard import Scoreboard, score
from closecast.experiments.evidence import EVIDENCE, Evidence, read_evidence
from closecast.experiments.selection import VALIDATION, ask_luck, read_validation
from closecast.market.bars import Bars
from closecast.training.checkpoint import load
from closecast.windows import WindowData, WindowSpec
from closecast.windows.scaling import volatility

SUMS = "SHA256SUMS"
SCOREBOARD = "scoreboard.json"

DRAWN = {"report.html", SUMS, "optuna.journal"}
"""Drawn again at will, or a copy that tells the time, so not summed."""

TOLERANCE = 1e-9
"""Share of a figure that another processor may round it by."""

SHOWN = 5
JUDGED = ("verdict", "why", "num_windows", "num_dates")
"""What a run adds to, or says in its own words."""


@dataclass(frozen=True, slots=True)
class Check:
    """Outcome of one check.

    Attributes:
        name: What was compared.
        passed: Whether it is as it should be.
        detail: What was found, in words.
    """

    name: str
    passed: bool
    detail: str


def write_sums(folder: Path) -> None:
    """Write ``SHA256SUMS`` over every file of a run, as ``sha256sum --check`` reads it.

    Args:
        folder: The run, with all its files but the report.
    """
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n"
        for name, path in _files(folder).items()
    ]
    write_durably(folder / SUMS, "".join(lines).encode())


def verify(folder: Path, bars: Bars | None = None) -> list[Check]:
    """Verify a run.

    Args:
        folder: The run of ``evaluate``, ``backtest``, ``sweep`` or ``search``.
        bars: The prices that it was made from; None leaves them unchecked.

    Returns:
        One result for each check.

    Raises:
        IntegrityError: The folder is no run, or its forecasts cannot be read.
    """
    board = _read_board(folder)
    evidence = read_evidence(folder)
    checks = [_check_sums(folder), *_check_models(folder)]
    checks.append(_check_figures(board, evidence))
    checks += _check_luck(folder, board)
    if bars is not None:
        checks += [_check_data(board, bars), _check_truth(board, evidence, bars)]
    return checks


def require_intact(checks: Sequence[Check]) -> None:
    """Stop where a check failed.

    Args:
        checks: Outcomes of ``verify``.

    Raises:
        IntegrityError: A check failed.
    """
    for check in checks:
        if not check.passed:
            raise IntegrityError(
                f"Expected a run as it was written, got another ({check.name}: "
                f"{check.detail}). Do not trust its figures; evaluate again."
            )


def _files(folder: Path) -> dict[str, Path]:
    found = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file()
    }
    return {name: found[name] for name in sorted(found) if name not in DRAWN}


def _read_board(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / SCOREBOARD).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise IntegrityError(
            f"Expected a run with a scoreboard, got none that can be read "
            f"({folder / SCOREBOARD}: {error}). Give a folder that evaluate, "
            "backtest, sweep or search wrote."
        ) from error


def _check_sums(folder: Path) -> Check:
    try:
        stated = _sums(folder)
    except (OSError, ValueError) as error:
        return Check("files", False, f"{SUMS} cannot be read: {error}")  # noqa: FBT003
    found = {name: _sha256(path) for name, path in _files(folder).items()}
    wrong = [n for n in {**stated, **found} if stated.get(n) != found.get(n)]
    return Check(
        "files",
        not wrong,
        f"{len(stated)} files by SHA-256: {', '.join(wrong[:SHOWN]) or 'none'} "
        "changed, missing or new",
    )


def _sums(folder: Path) -> dict[str, str]:
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (one.partition("  ") for one in lines)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_sealed(folder: Path, name: str) -> bool:
    try:
        return _sums(folder).get(name) == _sha256(folder / name)
    except (OSError, ValueError):
        return False


def _check_models(folder: Path) -> Iterator[Check]:
    for path in sorted(folder.rglob("model.json")):
        name = path.parent.relative_to(folder).as_posix()
        if "siblings" in path.parts:
            continue  # loaded with the first network
        try:
            load(path.parent)
        except ClosecastError as error:
            yield Check(name, False, str(error))  # noqa: FBT003
        else:
            yield Check(name, True, "weights and record are as they were saved")  # noqa: FBT003


def _check_figures(board: Mapping[str, Any], evidence: Evidence) -> Check:
    again = score(evidence.forecasts, evidence.truth, evidence.scale)
    expected = json.loads(json.dumps(again.to_dict()))
    wrong = [
        place
        for key, value in expected.items()
        if key not in JUDGED
        for place in _differences(value, board.get(key), key)
    ]
    counted = sum(_count(value) for key, value in expected.items() if key not in JUDGED)
    wrong += [
        key for key in ("num_windows", "num_dates") if board.get(key) != expected[key]
    ]
    wrong += _overclaimed(board, again)
    return Check(
        "figures",
        not wrong,
        f"{counted} figures made again from {EVIDENCE}: {len(wrong)} differ"
        + (f" ({'; '.join(wrong[:SHOWN])})" if wrong else ""),
    )


def _overclaimed(board: Mapping[str, Any], again: Scoreboard) -> list[str]:
    # A verdict may be more careful than the figures, as after many trials, never less.
    stated, made = str(board.get("verdict")).lower(), again.verdict.lower()
    return [
        f"verdict: {what} has no evidence of skill"
        for what in ("mean", "density")
        for none in (f"no evidence of skill in the {what}",)
        if none in made and none not in stated
    ]


def _check_luck(folder: Path, board: Mapping[str, Any]) -> Iterator[Check]:
    stated = board.get("luck")
    if not stated:
        return
    if not _is_sealed(folder, VALIDATION):
        # damaged losses can be of any size: no test of luck is made for those
        said = f"not made again: {VALIDATION} is not as it was written"
        yield Check("luck", False, said)  # noqa: FBT003
        return
    try:
        again = ask_luck(
            *read_validation(folder),
            winner=stated[0]["winner"],
            trials=board["trials"],
            horizon=stated[0]["horizon"],
        )
    except (ClosecastError, KeyError) as error:
        yield Check("luck", False, str(error))  # noqa: FBT003
        return
    expected = json.loads(json.dumps([one.to_dict() for one in again]))
    wrong = list(_differences(expected, stated, "luck"))
    yield Check(
        "luck",
        not wrong,
        f"{_count(expected)} figures made again from {VALIDATION}: {len(wrong)} differ"
        + (f" ({'; '.join(wrong[:SHOWN])})" if wrong else ""),
    )


def _check_data(board: Mapping[str, Any], bars: Bars) -> Check:
    stated = board.get("data", {}).get("fingerprint")
    return Check(
        "data",
        stated == bars.fingerprint,
        f"fingerprint {bars.fingerprint[:12]} of the prices, "
        f"{str(stated)[:12]} of the run",
    )


def _check_truth(board: Mapping[str, Any], evidence: Evidence, bars: Bars) -> Check:
    own = next(iter(evidence.forecasts.values()))
    spec = WindowSpec(
        context_length=board["settings"]["context_length"], horizon=own.horizon
    )
    row_of = {
        (symbol, bars.dates[row]): row
        for symbol, start, end in bars
        for row in range(start, end - own.horizon)
    }
    keys = list(zip(own.symbols.tolist(), own.cutoffs, strict=True))
    known = np.array([key in row_of for key in keys])
    if not known.all():
        key = keys[int(np.argmin(known))]
        return Check("truth", False, f"no such window in the prices: {key}")  # noqa: FBT003
    rows = np.array([row_of[key] for key in keys])
    truth = WindowData.of(bars, spec).target(rows)
    same = [
        np.allclose(truth, evidence.truth, rtol=TOLERANCE, atol=1e-12),
        np.allclose(volatility(bars)[rows], evidence.scale, rtol=TOLERANCE),
        np.allclose(bars.close[rows], own.last_close, rtol=TOLERANCE),
    ]
    return Check(
        "truth",
        all(same),
        f"closes, volatility and last close of {len(rows)} windows against the prices",
    )


def _differences(expected: Any, found: Any, place: str) -> Iterator[str]:  # noqa: ANN401
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in {**expected, **found}:
            yield from _differences(expected.get(key), found.get(key), f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{place}: {len(found)} entries for {len(expected)}"
        for number, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif not _same(expected, found):
        yield f"{place}: {found} for {expected}"


def _same(expected: Any, found: Any) -> bool:  # noqa: ANN401
    numbers = (int, float)
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, numbers) and isinstance(found, numbers):
        return math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=1e-12)
    return bool(expected == found)


def _count(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, dict):
        return sum(_count(one) for one in value.values())
    if isinstance(value, list):
        return sum(_count(one) for one in value)
    return 1
