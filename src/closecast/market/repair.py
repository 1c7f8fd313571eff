"""Repairs on request: each is logged, into a new file, never over the original.

What has one remedy is repaired: rows that a reader refuses, the same bar twice,
spikes and torn bars are dropped, prices before a suspected split or change of unit
are brought to the scale after it. Bars that contradict each other are not chosen
between, and a crash stays a crash.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from closecast.errors import BarsError
from closecast.market.bars import VOLUME, Bars, from_columns
from closecast.market.broken import is_unit
from closecast.market.doctor import check_bars
from closecast.market.findings import Finding
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.source import is_path
from closecast.market.readers.table import survey

_DROPPED = {"spike", "torn"}
_SCALED = {"split", "unit"}


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One change to the data.

    Attributes:
        symbol: The symbol, if known.
        date: The session; of a change of scale, the first that stays as it is.
        action: What was done.
        reason: The finding that asked for it.
    """

    symbol: str | None
    date: str | None
    action: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Lay it out for JSON.

        Returns:
            Plain values.
        """
        return asdict(self)


def repair(source: Any, hints: Hints = NO_HINTS) -> tuple[Bars, list[Repair]]:  # noqa: ANN401
    """Repair what has one remedy.

    Args:
        source: A path or a dataframe, see ``closecast.market.doctor.examine``.
        hints: What the files cannot say of themselves.

    Returns:
        A sound panel, and every change that was made. What has no one remedy in a
        file of a folder leaves that file out.

    Raises:
        BarsError: A file cannot be read at all, or two bars of a date contradict
            each other; or no file of a folder is left.
    """
    found = survey(source, hints=hints)
    hopeless = [f for f in found.errors if f.row is None or f.kind == "conflict"]
    is_folder = is_path(source) and Path(str(source)).is_dir()
    if hopeless and not is_folder:
        _refuse(hopeless[0])
    lost = {finding.file for finding in hopeless}
    mended = [finding for finding in found.errors if finding.file not in lost]
    bad = {(finding.file, finding.row) for finding in mended}
    table = found.table
    places = zip(table.files, table.rows, strict=True)
    keep = np.array(
        [str(f) not in lost and (str(f), int(r)) not in bad for f, r in places], bool
    )
    if hopeless and not keep.any():
        _refuse(hopeless[0])
    log = [_logged(finding, "file left out") for finding in hopeless]
    log += [_logged(finding, "row dropped") for finding in mended]
    table = table.take(keep)
    bars = from_columns(table.symbols, table.dates, table.values)
    findings = check_bars(bars)
    odd = [finding for finding in findings if finding.kind in _DROPPED]
    keep_bars = np.ones(len(bars), bool)
    keep_bars[[finding.row for finding in odd if finding.row is not None]] = False
    log += [_logged(finding, "row dropped") for finding in odd]
    return _scaled(bars.select(keep_bars), log)


def _refuse(finding: Finding) -> NoReturn:
    raise BarsError(
        f"Expected prices that have one remedy, got none for this: {finding.message}"
    )


def _logged(finding: Finding, action: str) -> Repair:
    return Repair(
        symbol=finding.symbol,
        date=finding.date,
        action=action,
        reason=finding.message,
    )


def _scaled(bars: Bars, log: list[Repair]) -> tuple[Bars, list[Repair]]:
    # From the newest change of scale back, so that factors multiply.
    values = bars.values.copy()
    for finding in check_bars(bars):
        if finding.kind not in _SCALED or finding.row is None:
            continue
        row = _row(bars, finding)
        start = int(bars.starts[row])
        ratio = float(bars.close[row] / bars.close[row - 1])
        factor = _whole(ratio)
        values[start:row, :VOLUME] *= factor
        if finding.kind == "split":
            values[start:row, VOLUME] /= factor
        log.append(
            Repair(
                symbol=finding.symbol,
                date=finding.date,
                action=f"prices before it multiplied by {factor:.10g}"
                + (", volumes divided by it" if finding.kind == "split" else ""),
                reason=finding.message,
            )
        )
    repaired = Bars(
        symbols=bars.symbols, offsets=bars.offsets, dates=bars.dates, values=values
    )
    return repaired, log


def _row(bars: Bars, finding: Finding) -> int:
    symbol = bars.symbols.index(str(finding.symbol))
    start, end = bars.offsets[symbol], bars.offsets[symbol + 1]
    day = np.datetime64(str(finding.date))
    return int(start + np.searchsorted(bars.dates[start:end], day))


def _whole(ratio: float) -> float:
    times = max(ratio, 1 / ratio)
    whole = 10.0 ** round(np.log10(times)) if is_unit(ratio) else float(round(times))
    return whole if ratio > 1 else 1 / whole
