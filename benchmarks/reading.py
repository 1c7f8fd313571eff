"""How long 200,000 rows of CSV take to read, the short way and the long way.

Writes results/reading.json. The bars of both ways must be the same.

    python benchmarks/reading.py
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import ROOT, publish

from closecast.market.readers import fast, read_bars

SYMBOLS, SESSIONS = 40, 5_000
REPEATS = 5


def write_prices(path: Path) -> None:
    """Write random walks with four decimals, symbol after symbol."""
    rng = np.random.default_rng(0)
    first = np.datetime64("2000-01-03")
    days = np.busday_offset(first, np.arange(SESSIONS), roll="forward").astype(str)
    lines = ["symbol,date,open,high,low,close,volume"]
    for symbol in range(SYMBOLS):
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, SESSIONS)))
        opened = close * np.exp(rng.normal(0, 0.002, SESSIONS))
        high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
        volume = rng.integers(1, 10**7, SESSIONS)
        lines += [
            f"S{symbol:03d},{day},{o:.4f},{h:.4f},{low_:.4f},{c:.4f},{v}"
            for day, o, h, low_, c, v in zip(
                days, opened, high, low, close, volume, strict=True
            )
        ]
    path.write_text("\n".join(lines) + "\n")


def seconds(path: Path) -> tuple[float, str]:
    """Read a file: the least CPU time, and the fingerprint of its bars."""
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        bars = read_bars(path).bars
        spent.append(time.process_time() - start)
    return min(spent), bars.fingerprint


def main() -> None:
    """Read both ways, compare, and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prices.csv"
        write_prices(path)
        read_bars(path)  # libraries load
        short, bars = seconds(path)
        fast.FROM = sys.maxsize
        long, same = seconds(path)
    if bars != same:
        raise SystemExit("Expected the same bars both ways, got others.")
    result = {
        "rows": SYMBOLS * SESSIONS,
        "short_way_cpu_s": round(short, 3),
        "long_way_cpu_s": round(long, 3),
        "times_faster": round(long / short, 2),
    }
    publish(result, ROOT / "benchmarks" / "results" / "reading.json")


if __name__ == "__main__":
    main()
