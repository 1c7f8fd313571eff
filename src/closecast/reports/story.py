"""The story of a run: everything its report shows, as plain values.

It reads the files of a run folder and checks that they are whole. It computes no
score, loads no weights and forecasts nothing.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from closecast.errors import ModelError
from closecast.reports.evidence import Evidence, evidence_of

Parsed = TypeVar("Parsed")

JUDGED = "closecast"
"""The name of the judged model in the rows of a scoreboard."""

SHOWN_CLOSES = 40
"""Closes drawn before each fan: two months, enough to see the recent swings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Scores of one model at one horizon.

    Attributes:
        model: Name of the model.
        horizon: Step it was judged at, in sessions.
        crps: CRPS over the symbol's own volatility, without unit.
        crps_raw: CRPS of the log return.
        mae: Mean absolute error of the median, in log return.
        rmse: Root mean squared error of the mean, in log return.
        coverage_50: Share of closes inside the 50 % interval, in [0, 1].
        coverage_80: Share of closes inside the 80 % interval, in [0, 1].
        coverage_95: Share of closes inside the 95 % interval, in [0, 1].
        skill_crps_vs: 1 - CRPS / CRPS of each baseline.
        skill_rmse_vs: 1 - RMSE / RMSE of each baseline.
        skill_crps_interval_vs: 90 % interval of each of the former.
        skill_rmse_interval_vs: 90 % interval of each of the latter.
        dm_p_vs: Diebold-Mariano p-value of the CRPS against each baseline.
        dm_p_mean_vs: The same for the squared error of the mean.
        in_mcs: Whether it is in the 90 % confidence set by CRPS.
        in_mcs_mean: The same by squared error.
    """

    model: str
    horizon: int
    crps: float | None
    crps_raw: float | None
    mae: float | None
    rmse: float | None
    coverage_50: float | None
    coverage_80: float | None
    coverage_95: float | None
    skill_crps_vs: Mapping[str, float | None]
    skill_rmse_vs: Mapping[str, float | None]
    skill_crps_interval_vs: Mapping[str, tuple[float, float] | None]
    skill_rmse_interval_vs: Mapping[str, tuple[float, float] | None]
    dm_p_vs: Mapping[str, float | None]
    dm_p_mean_vs: Mapping[str, float | None]
    in_mcs: bool | None
    in_mcs_mean: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakTest:
    """One leak test and how it ended."""

    name: str
    passed: bool | None
    detail: str

    @property
    def outcome(self) -> str:
        """``passed``, ``failed``, or ``unproven`` where there was nothing to check."""
        if self.passed is None:
            return "unproven"
        return "passed" if self.passed else "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copycat:
    """What the one-step forecast turned out to be.

    Attributes:
        verdict: The finding, in words.
        why_five: Why the horizon is longer than one session, in words.
        figures: Every other entry of the check, by its name.
    """

    verdict: str
    why_five: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Where the prices came from, what they span and what is odd about them."""

    fingerprint: str
    symbols: tuple[str, ...]
    first: str
    last: str
    bars: int
    source: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of the split: its cutoffs and how many windows they gave."""

    name: str
    first: str
    last: str
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """A close that happened, in price units."""

    symbol: str
    date: date
    close: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The forecast of one close: its quantiles, in price units."""

    symbol: str
    cutoff: date
    step: int
    date: date
    last_close: float
    mean: float
    median: float
    q05: float
    q10: float
    q25: float
    q75: float
    q90: float
    q95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """The last closes of a symbol and the forecast that starts from the last.

    Attributes:
        symbol: The symbol.
        closes: Up to ``SHOWN_CLOSES`` closes, the last one at the cutoff.
        steps: One forecast a step, from step 1 on.
    """

    symbol: str
    closes: tuple[Close, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The losses at the end of one epoch; None where there was none."""

    epoch: int
    train_loss: float | None
    validation_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything a report shows.

    Attributes:
        verdict: The verdict, in words.
        why: The sentences that carry it.
        scores: The rows of the scoreboard, the judged model first.
        leak_tests: Each leak test and how it ended.
        copycat: What the one-step forecast turned out to be.
        prices: Where the prices came from.
        split: Training, validation and test block, in this order.
        seeds: Models trained, each from its own seed.
        settings: The settings of the run, by name.
        fans: One for each symbol, in the order of the prices.
        epochs: The learning curve.
        best_epoch: The epoch whose weights were kept.
        evidence: What the scoreboard says beyond its rows.
        suspicious: Whether a figure is too good for prices.
    """

    verdict: str
    why: tuple[str, ...]
    scores: tuple[Score, ...]
    leak_tests: tuple[LeakTest, ...]
    copycat: Copycat
    prices: Prices
    split: tuple[Block, ...]
    seeds: int
    settings: Mapping[str, Any]
    fans: tuple[Fan, ...]
    epochs: tuple[Epoch, ...]
    best_epoch: int
    evidence: Evidence
    suspicious: bool

    @property
    def horizon(self) -> int:
        """Steps forecast, in sessions."""
        return max(len(fan.steps) for fan in self.fans)


def load_story(folder: Path) -> Story:
    """Read the story of a run from its folder.

    Args:
        folder: A run: ``scoreboard.json``, ``forecast.csv``, ``closes.csv``,
            ``model/metrics.jsonl`` and ``model/model.json``.

    Returns:
        What the run found, as plain values.

    Raises:
        ModelError: A file is missing or damaged.
    """
    board = _parse(folder / "scoreboard.json", _board)
    epochs = _parse(folder / "model" / "metrics.jsonl", _epochs)
    marked = _parse(folder / "model" / "model.json", _marked_epoch)
    steps = _parse(folder / "forecast.csv", _steps)
    closes = _parse(folder / "closes.csv", _closes)
    return Story(
        **board,
        fans=_fans(board["prices"].symbols, closes, steps, folder),
        epochs=epochs,
        best_epoch=_best_epoch(epochs, marked),
    )


def _parse(path: Path, parse: Callable[[str], Parsed]) -> Parsed:
    # Parse a file of the run, or say in one sentence why that fails.
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"Expected a file {path.name} in the run, got none ({path}). "
            "Name the folder of a finished run, or make the run again."
        ) from None
    except KeyError as error:
        fault = f"no entry {error}"
    except (OSError, TypeError, ValueError, AttributeError) as error:
        fault = str(error).rstrip(".")
    raise ModelError(
        f"Expected a whole {path.name}, got a damaged one: {fault} ({path}). "
        "Make the run again."
    )


def _board(text: str) -> dict[str, Any]:
    # Parse scoreboard.json into the fields of a story.
    board = json.loads(text)
    copycat = dict(board["copycat"])
    scores = tuple(_score(row) for row in board["rows"])
    if not any(score.model == JUDGED for score in scores):
        raise ValueError(f"no row of the judged model {JUDGED!r}")
    return {
        "verdict": _text(board["verdict"]),
        "why": tuple(_text(sentence) for sentence in board["why"]),
        "scores": scores,
        "leak_tests": tuple(
            LeakTest(name=name, passed=_outcome(test["passed"]), detail=test["detail"])
            for name, test in board["leak_tests"].items()
        ),
        "copycat": Copycat(
            verdict=_text(copycat.pop("verdict")),
            why_five=_text(copycat.pop("why_five")),
            figures=copycat,
        ),
        "prices": _prices(board["data"]),
        "split": tuple(
            _block(name, board["split"][name])
            for name in ("train", "validation", "test")
        ),
        "seeds": int(board["seeds"]),
        "settings": dict(board["settings"]),
        "evidence": evidence_of(board),
        "suspicious": board.get("suspicious") is True,
    }


def _score(row: Mapping[str, Any]) -> Score:
    return Score(
        model=_text(row["model"]),
        horizon=int(row["horizon"]),
        crps=_number_or_none(row["crps"]),
        crps_raw=_number_or_none(row["crps_raw"]),
        mae=_number_or_none(row["mae"]),
        rmse=_number_or_none(row["rmse"]),
        coverage_50=_number_or_none(row.get("coverage_50")),
        coverage_80=_number_or_none(row["coverage_80"]),
        coverage_95=_number_or_none(row["coverage_95"]),
        skill_crps_vs=_numbers(row["skill_crps_vs"]),
        skill_rmse_vs=_numbers(row["skill_rmse_vs"]),
        skill_crps_interval_vs=_intervals(row.get("skill_crps_interval_vs")),
        skill_rmse_interval_vs=_intervals(row.get("skill_rmse_interval_vs")),
        dm_p_vs=_numbers(row["dm_p_vs"]),
        dm_p_mean_vs=_numbers(row["dm_p_mean_vs"]),
        in_mcs=_truth(row.get("in_mcs")),
        in_mcs_mean=_truth(row.get("in_mcs_mean")),
    )


def _outcome(passed: object) -> bool | None:
    return None if passed is None else passed is True


def _numbers(against: Mapping[str, object]) -> dict[str, float | None]:
    return {name: _number_or_none(value) for name, value in against.items()}


def _intervals(
    against: Mapping[str, Any] | None,
) -> dict[str, tuple[float, float] | None]:
    found: dict[str, tuple[float, float] | None] = {}
    for name, ends in (against or {}).items():
        known = [_number_or_none(end) for end in ends or ()]
        low, high = known if known else (None, None)
        found[name] = None if low is None or high is None else (low, high)
    return found


def _truth(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{value!r} where true or false belongs")
    return value


def _prices(data: Mapping[str, Any]) -> Prices:
    return Prices(
        fingerprint=_text(data["fingerprint"]),
        symbols=tuple(_text(symbol) for symbol in data["symbols"]),
        first=_text(data["first"]),
        last=_text(data["last"]),
        bars=int(data["bars"]),
        source=_text(data.get("source", "not stated")),
        findings=tuple(_text(one) for one in data.get("findings", ())),
    )


def _block(name: str, block: Mapping[str, Any]) -> Block:
    return Block(
        name=name,
        first=_text(block["first"]),
        last=_text(block["last"]),
        windows=int(block["windows"]),
    )


def _epochs(text: str) -> tuple[Epoch, ...]:
    # Parse metrics.jsonl; a line of another kind (no epoch) is not a curve's.
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    epochs = tuple(
        Epoch(
            epoch=int(line["epoch"]),
            train_loss=_number_or_none(line["train_loss"]),
            validation_loss=_number_or_none(line["validation_loss"]),
        )
        for line in lines
    )
    if not epochs:
        raise ValueError("no epoch")
    return epochs


def _marked_epoch(text: str) -> int | None:
    # Find the kept epoch in model.json; None where it was not written down.
    document = json.loads(text)
    curve = document.get("curve") or {}
    best = curve.get("best_epoch", document.get("best_epoch"))
    return None if best is None else int(best)


def _best_epoch(epochs: tuple[Epoch, ...], marked: int | None) -> int:
    # Take the marked epoch, or else the one of the lowest validation loss.
    if any(epoch.epoch == marked for epoch in epochs):
        return int(marked or 0)
    judged = [
        (epoch.validation_loss, epoch.epoch)
        for epoch in epochs
        if epoch.validation_loss is not None
    ]
    return min(judged)[1] if judged else epochs[-1].epoch


def _steps(text: str) -> tuple[Step, ...]:
    prices = ("last_close", "mean", "median", *("q05", "q10", "q25"))
    return tuple(
        Step(
            symbol=_text(row["symbol"]),
            cutoff=date.fromisoformat(row["cutoff"][:10]),
            step=int(row["step"]),
            date=date.fromisoformat(row["date"][:10]),
            **{name: _price(row, name) for name in (*prices, "q75", "q90", "q95")},
        )
        for row in csv.DictReader(io.StringIO(text))
    )


def _closes(text: str) -> tuple[Close, ...]:
    return tuple(
        Close(
            symbol=_text(row["symbol"]),
            date=date.fromisoformat(row["date"][:10]),
            close=_price(row, "close"),
        )
        for row in csv.DictReader(io.StringIO(text))
    )


def _fans(
    symbols: tuple[str, ...],
    closes: tuple[Close, ...],
    steps: tuple[Step, ...],
    folder: Path,
) -> tuple[Fan, ...]:
    # Join closes and forecasts: for each symbol the fan of its last cutoff.
    forecast = {step.symbol for step in steps}
    if not forecast:
        raise ModelError(
            f"Expected a forecast of at least one symbol, got none "
            f"({folder / 'forecast.csv'}). Make the run again."
        )
    ordered = [symbol for symbol in symbols if symbol in forecast]
    ordered += sorted(forecast.difference(symbols))
    return tuple(_fan(symbol, closes, steps, folder) for symbol in ordered)


def _fan(
    symbol: str, closes: tuple[Close, ...], steps: tuple[Step, ...], folder: Path
) -> Fan:
    cutoff = max(step.cutoff for step in steps if step.symbol == symbol)
    kept = [step for step in steps if (step.symbol, step.cutoff) == (symbol, cutoff)]
    known = [row for row in closes if row.symbol == symbol and row.date <= cutoff]
    if not known:
        raise ModelError(
            f"Expected closes of {symbol} up to {cutoff}, got none "
            f"({folder / 'closes.csv'}). Make the run again."
        )
    known.sort(key=lambda row: row.date)
    return Fan(
        symbol=symbol,
        closes=tuple(known[-SHOWN_CLOSES:]),
        steps=tuple(sorted(kept, key=lambda step: step.step)),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where a text belongs")
    return value


def _number_or_none(value: object) -> float | None:
    # Take a number; None for null and for what is not finite.
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} where a number belongs")
    return float(value) if math.isfinite(value) else None


def _price(row: Mapping[str, str], name: str) -> float:
    value = float(row[name])
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} {value} of {row['symbol']} on {row['date']}")
    return value
