"""The doctor's look at the prices that are served, and how old their last bars are."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

import numpy as np

from closecast.market.bars import Bars
from closecast.market.calendar import next_sessions
from closecast.market.checkup import worst_first
from closecast.market.doctor import check_bars
from closecast.market.findings import Finding
from closecast.serving.prices import PriceBook

MOST_BEHIND = 260
"""Sessions that are counted: a year."""

STALE = 2
"""Sessions behind from which on prices are stale: today's may not be over yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old a symbol's last bar is.

    Attributes:
        symbol: The symbol.
        last: Its last session.
        behind: Sessions that have come since, today's included; at most
            ``MOST_BEHIND``.
    """

    symbol: str
    last: dt.date
    behind: int

    @property
    def stale(self) -> bool:
        """Whether bars are missing that there should be."""
        return self.behind >= STALE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examination:
    """What was found.

    Attributes:
        checked_at: When, UTC.
        data: Version of the prices.
        counts: Findings by kind.
        findings: The worst first.
        ages: The stalest symbol first.
    """

    checked_at: dt.datetime
    data: str
    counts: dict[str, int]
    findings: tuple[Finding, ...]
    ages: tuple[Age, ...]

    @classmethod
    def of(cls, prices: PriceBook, today: dt.date | None = None) -> "Examination":
        """Examine the prices.

        Args:
            prices: What is served.
            today: The day; today in UTC by default.

        Returns:
            What was found.

        Raises:
            StoreError: The store is missing or damaged.
        """
        now, version = dt.datetime.now(dt.UTC), prices.content().version
        panel, day = prices.panel(), today or now.date()
        findings = worst_first(check_bars(panel, today=day))
        ages = sorted(_ages(panel, day), key=lambda age: (-age.behind, age.symbol))
        return cls(
            checked_at=now,
            data=version,
            counts=dict(Counter(finding.kind for finding in findings)),
            findings=tuple(findings),
            ages=tuple(ages),
        )


def _ages(panel: Bars, today: dt.date) -> list[Age]:
    # symbols of one exchange have the same dates: its calendar is asked once
    known: dict[bytes, int] = {}
    ages = []
    for symbol, start, end in panel:
        dates = panel.dates[start:end]
        key = dates[-MOST_BEHIND:].tobytes()
        if key not in known:
            ahead = next_sessions(dates, MOST_BEHIND)
            known[key] = int((ahead <= np.datetime64(today, "D")).sum())
        ages.append(Age(symbol=symbol, last=dates[-1].item(), behind=known[key]))
    return ages
