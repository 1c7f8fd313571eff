"""What the store costs at full size: 5,000 symbols over 20 years of sessions.

Each step is a process of its own, so that its peak memory is its own too. Import is
measured three ways: bars that are in memory already, written in batches and compacted;
one large Parquet file through the reader; and a folder of CSV files, of which a part is
read and reported as seconds a million rows. Prices are simulated, with two decimals.

    python benchmarks/store.py --out benchmarks/results/store.json
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from closecast.market.bars import Bars, from_columns
from closecast.market.importing import CHUNK, import_files
from closecast.market.readers import to_frame
from closecast.market.store import Store

FIRST = np.datetime64("2004-01-05")
STEPS = ("memory", "append", "symbol", "last", "panel", "verify", "parquet", "csv")


def simulated(symbols: range, sessions: range) -> Bars:
    """Random walks with two decimals; the same wherever a range begins."""
    days = np.busday_offset(FIRST, np.arange(sessions.stop), roll="forward")
    parts = []
    for symbol in symbols:
        random = np.random.default_rng(symbol)
        steps = random.standard_normal((sessions.stop, 5)).T
        close = 50 * np.exp(np.cumsum(0.012 * steps[0]))
        open_ = close * np.exp(0.004 * steps[1])
        high = np.maximum(open_, close) * np.exp(0.004 * np.abs(steps[2]))
        low = np.minimum(open_, close) * np.exp(-0.004 * np.abs(steps[3]))
        prices = np.maximum(np.round([open_, high, low, close], 2), 0.01)
        volume = np.round(np.exp(13 + steps[4]))
        parts.append(np.vstack([prices, volume[None]]).T[sessions.start :])
    count = len(sessions)
    return from_columns(
        np.repeat([f"S{symbol:05}" for symbol in symbols], count),
        np.tile(days[sessions.start :], len(symbols)),
        np.concatenate(parts),
    )


def batches(symbols: int, sessions: int) -> Iterator[Bars]:
    """All bars, so many symbols at a time that a batch is one of an import."""
    step = max(1, CHUNK // sessions)
    for start in range(0, symbols, step):
        yield simulated(range(start, min(symbols, start + step)), range(sessions))


class Watch:
    """Wall and CPU seconds of what runs inside it."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    def __enter__(self) -> "Watch":
        self._begin = time.perf_counter(), cpu()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter() - self._begin[0]
        self.cpu_s += cpu() - self._begin[1]

    def figures(self) -> dict[str, float]:
        """Both, rounded."""
        return {"wall_s": round(self.wall_s, 4), "cpu_s": round(self.cpu_s, 4)}


def cpu() -> float:
    """CPU seconds of this process and of the helpers that ended."""
    return sum(os.times()[:4])


def memory(path: Path, symbols: int, sessions: int) -> dict[str, float]:
    """Write bars from memory, batch by batch, and compact; simulation not counted."""
    store, write, compact = Store(path), Watch(), Watch()
    for bars in batches(symbols, sessions):
        with write:
            store.append(bars, source="simulated")
    with compact:
        store.compact()
    both = {
        "wall_s": round(write.wall_s + compact.wall_s, 2),
        "cpu_s": round(write.cpu_s + compact.cpu_s, 2),
    }
    size = sum(p.stat().st_size for p in store.files())
    return {
        **both,
        "rows": symbols * sessions,
        "compact_wall_s": round(compact.wall_s, 2),
        "megabytes": round(size / 1e6),
    }


def append(path: Path, symbols: int, sessions: int) -> dict[str, float]:
    """Append single days of all symbols, the first while the tail is at hand."""
    store = Store(path)
    figures = []
    for day in range(5):
        bars = simulated(range(symbols), range(sessions + day, sessions + day + 1))
        with Watch() as watch:
            outcome = store.append(bars, source="day")
        if outcome.added != symbols:
            raise SystemExit(f"expected {symbols} new rows, got {outcome}")
        figures.append(watch)
    return summary(figures)


def summary(watches: list[Watch]) -> dict[str, float]:
    """Median and worst of several runs."""
    return {
        "runs": len(watches),
        "median_wall_s": round(statistics.median(w.wall_s for w in watches), 4),
        "worst_wall_s": round(max(w.wall_s for w in watches), 4),
        "median_cpu_s": round(statistics.median(w.cpu_s for w in watches), 4),
    }


def repeated(do: Callable[[int], object], runs: int) -> dict[str, float]:
    """Time something several times; the first, which loads libraries, by itself."""
    with Watch() as first:
        do(0)
    watches = []
    for run in range(1, runs + 1):
        with Watch() as watch:
            do(run)
        watches.append(watch)
    return {**summary(watches), "first_wall_s": round(first.wall_s, 4)}


def symbol(path: Path, symbols: int, sessions: int) -> dict[str, float]:
    """Read all bars of one symbol, another one each time."""
    del sessions
    store = Store(path)
    return repeated(lambda run: store.read([f"S{run * 7919 % symbols:05}"]), 50)


def last(path: Path, symbols: int, sessions: int) -> dict[str, float]:
    """Read the last ten sessions of all symbols."""
    del sessions
    store = Store(path)
    if len(store.last(10)) != 10 * symbols:
        raise SystemExit("expected ten sessions of each symbol")
    return repeated(lambda _: store.last(10), 20)


def panel(path: Path, symbols: int, sessions: int) -> dict[str, float]:
    """Make the panel of all bars, then map it again."""
    del symbols, sessions
    store = Store(path)
    with Watch() as make:
        store.panel("float32")
    with Watch() as again:
        found = Store(path).panel("float32")
    return {
        **make.figures(),
        "again_wall_s": round(again.wall_s, 4),
        "rows": len(found),
    }


def verify(path: Path, symbols: int, sessions: int) -> dict[str, float]:
    """Check every byte and every row."""
    del symbols, sessions
    with Watch() as watch:
        wrong = Store(path).verify()
    if wrong:
        raise SystemExit(wrong[0])
    return watch.figures()


def parquet(path: Path, symbols: int, sessions: int) -> dict[str, float | bool]:
    """Import one Parquet file of all bars, through the reader, a piece at a time."""
    import pyarrow.parquet as pq

    source = path.parent / "all.parquet"
    if not source.exists():
        writer = None
        for bars in batches(symbols, sessions):
            table = to_frame(bars, "pyarrow")
            writer = writer or pq.ParquetWriter(source, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        return {}
    store = Store(path.parent / "from-parquet")
    with Watch() as watch:
        done = import_files(store, [source])
    first = next(iter(Store(path).symbols())).bars
    same = store.content_hash == Store(path).content_hash or first != sessions
    return {**watch.figures(), "rows": done.added, "same_content": same}


def csv(path: Path, symbols: int, sessions: int) -> dict[str, float]:
    """Import a folder of CSV files, a fifth of the symbols, a file each."""
    folder = path.parent / "csv"
    if not folder.exists():
        folder.mkdir()
        for symbol in range(max(1, symbols // 5)):
            frame = to_frame(simulated(range(symbol, symbol + 1), range(sessions)))
            frame.to_csv(folder / f"S{symbol:05}.csv", index=False)
        return {}
    store = Store(path.parent / "from-csv")
    with Watch() as watch:
        done = import_files(store, [folder], workers=os.cpu_count() or 1)
    per_million = watch.wall_s / done.added * 1e6
    return {
        **watch.figures(),
        "rows": done.added,
        "wall_s_per_million_rows": round(per_million, 2),
    }


def one(name: str, path: Path, symbols: int, sessions: int) -> None:
    """Run one step and print its figures with the peak memory of its process."""
    figures = globals()[name](path, symbols, sessions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**figures, "peak_megabytes": round(peak)}))


def main() -> None:
    """Run every step in a process of its own and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=5_000)
    parser.add_argument("--sessions", type=int, default=5_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary")
    parser.add_argument("--step", choices=STEPS)
    arguments = parser.parse_args()
    size = [arguments.symbols, arguments.sessions]
    if arguments.step:
        one(arguments.step, arguments.folder, *size)
        return
    from machine import publish

    result: dict[str, object] = {"symbols": size[0]}
    result["sessions"] = size[1]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for name in STEPS:
            command = [sys.executable, __file__, "--step", name]
            command += ["--folder", str(Path(folder) / "store")]
            command += ["--symbols", str(size[0]), "--sessions", str(size[1])]
            for _ in range(2 if name in {"parquet", "csv"} else 1):
                # The first call of these two makes the files.
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False
                )
            if done.returncode:
                raise SystemExit(done.stderr)
            result[name] = json.loads(done.stdout)
            print(name, done.stdout.strip(), file=sys.stderr, flush=True)
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
