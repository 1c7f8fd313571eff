"""Make the prices that come with the package from those of bokeh-sampledata.

Usage: python scripts/make_sample.py [OUT]. The answer is the same bytes each time
for the same version of bokeh-sampledata and of pyarrow.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from closecast.market.bars import COLUMNS, VOLUME, Bars, from_columns
from closecast.market.readers import Hints, read_bars

OUT = Path(__file__).parents[1] / "src/closecast/market/data/us_stocks.parquet"
DECIMALS = 6


def main(out: Path) -> None:
    """Read, adjust, round and write, and say what was done."""
    source = _source()
    raw = read_bars(source).bars
    adjusted = read_bars(source, hints=Hints(adjust=True)).bars
    bars = _rounded(adjusted)
    _write(bars, out)
    for symbol, start, end in bars:
        factor = adjusted.close[[start, end - 1]] / raw.close[[start, end - 1]]
        _say(
            f"{symbol}: {end - start} bars, {bars.dates[start]} to "
            f"{bars.dates[end - 1]}, "
            f"adj_close / close {factor[0]:.6f} to {factor[1]:.6f}"
        )
    change = np.abs(bars.values[:, :VOLUME] / adjusted.values[:, :VOLUME] - 1).max()
    _say(f"read {len(raw)} bars, dropped {len(raw) - len(bars)}, repaired none")
    _say("multiplied open, high, low, close by adj_close / close, divided volume by it")
    _say(f"rounded prices to {DECIMALS} decimals (at most {change:.1e} of a price)")
    _say("rounded volume to whole shares")
    _say(f"wrote {out} ({out.stat().st_size / 1000:.0f} kB, {bars.fingerprint[:12]})")


def _source() -> Path:
    spec = find_spec("bokeh_sampledata")
    if spec is None or spec.origin is None:
        sys.exit("Expected bokeh-sampledata, got none. Run pip install it first.")
    return Path(spec.origin).parent / "_data" / "stocks.csv.gz"


def _rounded(bars: Bars) -> Bars:
    # Rounding keeps order: a high stays the highest.
    values = np.round(bars.values, DECIMALS)
    values[:, VOLUME] = np.round(bars.values[:, VOLUME])
    names = np.array(bars.symbols)[bars.symbol_ids]
    return from_columns(names, bars.dates, values)


def _write(bars: Bars, out: Path) -> None:
    names = pa.array([bars.symbols[i] for i in bars.symbol_ids])
    columns = {"symbol": names.dictionary_encode(), "date": pa.array(bars.dates)}
    columns |= {name: pa.array(bars.values[:, at]) for at, name in enumerate(COLUMNS)}
    pq.write_table(pa.table(columns), out, compression="zstd", compression_level=19)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
