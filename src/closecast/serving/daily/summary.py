"""What a run has to tell, from the ledger alone: page, notices and ``--json`` say it.

A run that was killed before it told anybody is told by the next one: news are what lies
in the ledger since the last notice, not what one process remembers.
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from closecast.forecast import Forecast
from closecast.market.checkup import Checkup
from closecast.serving.ledger import Ledger, Past
from closecast.serving.ledger.chain import Entry, forecast_of, written
from closecast.serving.ledger.ledger import MODEL
from closecast.serving.ledger.monitors import worst

LISTED = 50
"""Forecasts and scores that are told, at most; the ledger holds all."""

FINDINGS = 5


def summary_of(
    ledger: Ledger, told: tuple[int, str], checkup: Checkup, now: dt.datetime
) -> dict[str, Any]:
    """Sum a ledger up for its readers.

    Args:
        ledger: The ledger.
        told: The last row that a notice told of, and when it was written.
        checkup: What the doctor found in the prices.
        now: The time.

    Returns:
        Plain values.
    """
    number, since = told
    fresh = [past.entry for past in ledger.entries(after=number, model=MODEL)]
    came = ledger.matured(since)
    head, monitors = ledger.head, ledger.monitors()
    return {
        "as_of": written(now),
        "ledger": head.ledger,
        "number": head.number,
        "head": head.hash,
        "state": worst(monitors),
        "monitors": [monitor.to_dict() for monitor in monitors],
        "symbols": len({entry.symbol for entry in fresh}),
        "late": sum(entry.late for entry in fresh),
        "forecasts": [_told_entry(entry) for entry in _newest(fresh)[:LISTED]],
        "matured": _matured(came),
        "record": [asdict(row) for row in ledger.scoreboard()],
        "findings": dict(Counter(finding.kind for finding in checkup.findings)),
        "worst_findings": [asdict(one) for one in checkup.findings[:FINDINGS]],
    }


def told_of(forecast: Forecast, *, late: bool) -> dict[str, Any]:
    """Lay a forecast out in prices.

    Args:
        forecast: A forecast of one window.
        late: Whether it is late.

    Returns:
        Symbol, cutoff, last close and, for each step, median and edges of the 80 and
        95 % intervals, in price units.
    """
    edges = {
        name: forecast.price(forecast.quantile(level))[0]
        for name, level in (
            ("median", 0.5), ("low_80", 0.1), ("high_80", 0.9),
            ("low_95", 0.025), ("high_95", 0.975),
        )
    }  # fmt: skip
    return {
        "symbol": str(forecast.symbols[0]),
        "cutoff": str(forecast.cutoffs[0].astype("datetime64[D]")),
        "late": late,
        "last_close": float(forecast.last_close[0]),
        "steps": [
            {"date": str(date)}
            | {name: float(prices[at]) for name, prices in edges.items()}
            for at, date in enumerate(forecast.target_dates[0].astype("datetime64[D]"))
        ],
    }


def _told_entry(entry: Entry) -> dict[str, Any]:
    return told_of(forecast_of([entry]), late=entry.late)


def told_past(past: Past) -> dict[str, Any]:
    """Lay a forecast and what came of it out in prices.

    Args:
        past: The forecast.

    Returns:
        As ``told_of``; a step that came true has its ``close``, in the prices of the
        cutoff, and ``in_50``, ``in_80`` and ``in_95``.
    """
    told = _told_entry(past.entry)
    for score in past.scores:
        told["steps"][score.step - 1] |= {
            "session": score.date.isoformat(),
            "close": past.entry.last_close * math.exp(score.truth),
            "in_50": score.in_50,
            "in_80": score.in_80,
            "in_95": score.in_95,
        }
    return told


def _newest(entries: Sequence[Entry]) -> list[Entry]:
    # of each symbol the newest cutoff
    newest: dict[str, Entry] = {}
    for entry in entries:
        if entry.symbol not in newest or entry.cutoff > newest[entry.symbol].cutoff:
            newest[entry.symbol] = entry
    return [newest[symbol] for symbol in sorted(newest)]


def _matured(came: Iterable[Past]) -> dict[str, Any]:
    # live steps that came true, counted, and the first of them in prices
    live = [past for past in came if not past.entry.late]
    scores = [score for past in live for score in past.scores]
    first = sorted(
        (told for past in live for told in _told_scores(past)),
        key=lambda told: (told["date"], told["symbol"]),
        reverse=True,
    )
    return {
        "steps": len(scores),
        "in_50": sum(score.in_50 for score in scores),
        "in_80": sum(score.in_80 for score in scores),
        "in_95": sum(score.in_95 for score in scores),
        "first_steps": first[:LISTED],
    }


def _told_scores(past: Past) -> list[dict[str, Any]]:
    told = told_past(past)
    first = told["steps"][0]
    if "close" not in first:
        return []
    names = ("close", "low_80", "high_80", "in_80")
    place = {"symbol": told["symbol"], "date": first["session"]}
    return [place | {name: first[name] for name in names}]
