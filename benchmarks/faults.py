"""Let every write, flush, rename and making of a file fail once, and look what is left.

``faults.c`` is laid before the C library. A process does one deed: appends to a store,
saves a model into a new folder or over another, records in a ledger, puts a version on
a shelf, writes a key, trains a sweep. Its n-th call that changes a file fails with EIO
or ENOSPC: alone, with every later call, or after half of its bytes; for every n until
the deed needs no more calls. Then another process looks:

- what was acknowledged is there, and what was there before is there,
- nothing half-written is read, and the artefact's own verification finds nothing,
- the deed failed with an error of ours or of the system, never with another,
- the same deed, done again on a sound disk, succeeds.

A model that is saved over another may be refused afterwards: it is counted apart.

    python benchmarks/faults.py --out benchmarks/results/faults.json

Some ten minutes on one core; ``--every 5`` takes each fifth call.
"""

import argparse
import ctypes
import datetime as dt
import errno
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = "CLOSECAST_FAULTS"
"""Names the built library in the process that runs under it."""

LOADED = (
    "alembic.command", "filelock", "pyarrow.parquet", "safetensors.numpy", "sqlalchemy",
    "sqlite3",
)  # fmt: skip
"""What deeds load when they are done, loaded before any process begins."""

ALONE, FOREVER, HALF = 0, 1, 2
FAULTS = {
    "EIO once": (errno.EIO, ALONE),
    "ENOSPC once": (errno.ENOSPC, ALONE),
    "ENOSPC from then on": (errno.ENOSPC, FOREVER),
    "half a write, then ENOSPC": (errno.ENOSPC, HALF),
}
DONE, REFUSED, CRASHED = 0, 10, 11


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What is done while the disk fails.

    Attributes:
        prepare: Makes what is there before, in an empty folder.
        do: The deed.
        look: Gives all that the folder says; raises where it is damaged.
        stride: Each so many-th call alone is let fail, where a deed takes long.
    """

    prepare: Callable[[Path], None]
    do: Callable[[Path], None]
    look: Callable[[Path], object]
    stride: int = 1


def library() -> ctypes.CDLL:
    """Give the library that this process runs under."""
    return ctypes.CDLL(os.environ[LIBRARY])


def store_deed() -> Deed:
    """Append a day to a store of two batches."""
    import numpy as np

    from closecast.market.store import Store
    from closecast.testing import random_walk

    bars = random_walk(3, 80)
    days = np.unique(bars.dates)

    def append(folder: Path, first: int, last: int) -> None:
        part = bars.select((bars.dates >= days[first]) & (bars.dates < days[last]))
        Store(folder / "store", wait_s=0.5).append(part, source=f"{first}")

    def prepare(folder: Path) -> None:
        append(folder, 0, 60)
        append(folder, 60, 70)

    def look(folder: Path) -> object:
        store = Store(folder / "store")
        wrong = store.verify()
        if wrong:
            raise ValueError(wrong[0])
        return (store.read().fingerprint, store.last(10).fingerprint)

    return Deed(prepare=prepare, do=lambda f: append(f, 70, 71), look=look)


def compact_deed() -> Deed:
    """Compact that store."""
    from closecast.market.store import Store

    append = store_deed()

    def look(folder: Path) -> object:
        return (append.look(folder), Store(folder / "store").content_hash)

    return Deed(
        prepare=append.prepare,
        do=lambda folder: Store(folder / "store", wait_s=0.5).compact(),
        look=look,
        stride=3,
    )


def model_deed(*, over: bool) -> Deed:
    """Save a calibrated model, into a new folder or over another."""
    from closecast.experiments.forecaster import Forecaster
    from closecast.testing import random_walk

    bars = random_walk(2, 400)
    tiny = {"hidden_size": 2, "num_layers": 1, "epochs": 1, "batch_size": 64}
    older, newer = (
        Forecaster(**tiny, seed=seed, seeds=2, calibrate="conformal").fit(bars)
        for seed in (0, 7)
    )

    def prepare(folder: Path) -> None:
        if over:
            older.save(folder / "model")

    def look(folder: Path) -> object:
        if not (folder / "model" / "model.json").is_file():
            return None
        loaded = Forecaster.load(folder / "model")
        return (loaded.forecast(bars).quantiles.tobytes(), loaded.leak_tests)

    return Deed(prepare=prepare, do=lambda f: newer.save(f / "model"), look=look)


def ledger_deed(*, scoring: bool) -> Deed:
    """Record an evening's forecasts, or score the past."""
    import numpy as np

    from closecast.market.sample import sample_bars
    from closecast.models.baselines import Zero
    from closecast.serving.ledger import Ledger, Publication

    every = sample_bars()
    named = every.names(np.arange(len(every))) == "IBM"
    bars = every.select(named & (every.dates >= np.unique(every.dates)[-60]))
    days = np.unique(bars.dates)

    def record(folder: Path, day: int) -> None:
        past = bars.select(bars.dates <= days[day])
        forecast = Zero(horizon=2).forecast(past, past.offsets[1:] - 1)
        evening = dt.datetime.combine(days[day].item(), dt.time(22), dt.UTC)
        published = Publication.of(
            {"closecast": forecast}, past, model_hashes={"closecast": "a" * 64},
            calendar="XNYS",
        )  # fmt: skip
        with closing(Ledger.open(folder / "ledger.sqlite")) as ledger:
            ledger.record(published, evening)

    def score(folder: Path) -> None:
        with closing(Ledger.open(folder / "ledger.sqlite")) as ledger:
            evening = dt.datetime.combine(days[43].item(), dt.time(22), dt.UTC)
            ledger.score(bars.select(bars.dates <= days[43]), evening)

    def prepare(folder: Path) -> None:
        for day in (40, 41):
            record(folder, day)

    def look(folder: Path) -> object:
        with closing(Ledger.open(folder / "ledger.sqlite", create=False)) as ledger:
            wrong = ledger.verify()
            if wrong:
                raise ValueError(wrong[0])
            return [(p.entry.hash, len(p.scores)) for p in ledger.entries()]

    return Deed(
        prepare=prepare,
        do=score if scoring else lambda folder: record(folder, 42),
        look=look,
    )


def shelf_deed(*, promoting: bool) -> Deed:
    """Put a version on a shelf, or let one serve."""
    from closecast.experiments.forecaster import Forecaster
    from closecast.serving.shelf import Shelf
    from closecast.testing import random_walk

    tiny = {"hidden_size": 2, "num_layers": 1, "epochs": 1, "batch_size": 64}
    model = Forecaster(**tiny).fit(random_walk(2, 400))
    source = Path(tempfile.mkdtemp()) / "source"
    model.save(source)

    def add(folder: Path) -> None:
        Shelf(folder / "shelf").add(source, reason="new")

    def promote(folder: Path) -> None:
        shelf = Shelf(folder / "shelf")
        serving = shelf.current()
        if serving is None or serving.number == 1:  # done again, it is done
            shelf.promote(2, reason="new")

    def prepare(folder: Path) -> None:
        add(folder)
        Shelf(folder / "shelf").promote(1, reason="the first")
        if promoting:
            add(folder)

    def look(folder: Path) -> object:
        shelf = Shelf(folder / "shelf")
        serving = shelf.current()
        versions = [shelf.version(one.number) for one in shelf.versions()]
        return (serving and serving.number, len(versions))

    return Deed(prepare=prepare, do=promote if promoting else add, look=look)


def keys_deed() -> Deed:
    """Make a key for the server."""
    from closecast.serving.api.keys import KeyRing

    def look(folder: Path) -> object:
        return [key.name for key in KeyRing(folder / "keys.json").listed()]

    def add(folder: Path) -> None:
        KeyRing(folder / "keys.json").add(f"key-{len(look(folder))}")  # type: ignore[arg-type]

    return Deed(prepare=add, do=add, look=look)


def sweep_deed() -> Deed:
    """Train a sweep of four members; done again it ends with the same bytes."""
    from closecast.experiments.sweep import sweep
    from closecast.experiments.verify import require_intact, verify
    from closecast.testing import random_walk

    bars = random_walk(2, 300)
    tiny = {"hidden_size": 2, "num_layers": 1, "epochs": 1, "batch_size": 64}

    def train(folder: Path) -> None:
        grid = {"learning_rate": [0.001, 0.01]}
        sweep(bars, grid, seeds=2, out=folder / "run", index=folder / "index", **tiny)

    def look(folder: Path) -> object:
        if not (folder / "run" / "SHA256SUMS").is_file():
            return None  # not sealed: nothing was promised
        require_intact(verify(folder / "run"))
        return (folder / "run" / "SHA256SUMS").read_bytes()

    return Deed(prepare=lambda _: None, do=train, look=look, stride=11)


DEEDS: dict[str, Callable[[], Deed]] = {
    "store append": store_deed,
    "store compact": compact_deed,
    "model save": lambda: model_deed(over=False),
    "model save over another": lambda: model_deed(over=True),
    "ledger record": lambda: ledger_deed(scoring=False),
    "ledger score": lambda: ledger_deed(scoring=True),
    "shelf add": lambda: shelf_deed(promoting=False),
    "shelf promote": lambda: shelf_deed(promoting=True),
    "key added": keys_deed,
    "sweep": sweep_deed,
}


def forked(do: Callable[[], object]) -> tuple[int, str]:
    """Do something in a process of its own; give its status and what it printed."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(read)
        status = CRASHED
        try:
            with os.fdopen(write, "w") as said:
                status = told(do, said)
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def told(do: Callable[[], object], said: object) -> int:
    """Do something; print what it gives or why it failed, and give a status."""
    from closecast.errors import ClosecastError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = do()
    except (ClosecastError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=said)  # type: ignore[call-overload]
        return REFUSED
    except BaseException:
        print(traceback.format_exc(), file=said)  # type: ignore[call-overload]
        return CRASHED
    print(repr(found), file=said)  # type: ignore[call-overload]
    return DONE


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A deed and what its folder says before and after it."""

    deed: Deed
    whole: Path
    folder: Path
    before: str
    after: str

    @classmethod
    def of(cls, deed: Deed, place: Path) -> "Scene":
        """Prepare a deed, and do it once on a sound disk."""
        whole, folder = place / "whole", place / "folder"
        whole.mkdir()
        must(forked(lambda: deed.prepare(whole)))
        shutil.copytree(whole, folder)
        before = looked(deed, folder)
        must(forked(lambda: deed.do(folder)))
        return cls(
            deed=deed, whole=whole, folder=folder, before=before,
            after=looked(deed, folder),
        )  # fmt: skip

    def restore(self) -> None:
        """Bring back what was there before."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.whole, self.folder)

    def calls(self) -> int:
        """Count the calls that the deed makes."""
        self.restore()

        def count() -> int:
            library().fault_arm(str(self.folder).encode(), 0, 0, 0)
            self.deed.do(self.folder)
            return int(library().fault_count())

        return int(must(forked(count)))

    def suffer(self, call: int, fault: tuple[int, int]) -> tuple[str, str]:
        """Do the deed while a call fails; say how it ended, and why."""
        self.restore()

        def do() -> None:
            library().fault_arm(str(self.folder).encode(), call, *fault)
            try:
                self.deed.do(self.folder)
            finally:
                library().fault_arm(b"", 0, 0, 0)

        status, why = forked(do)
        if status == CRASHED or status < 0:
            return "crash", why or str(status)
        ended, found = self.left(status)
        again, why = forked(lambda: self.deed.do(self.folder))
        return (ended, found) if again == DONE else ("stuck", why)

    def left(self, status: int) -> tuple[str, str]:
        """Look at what a deed left that ended with a status; say how it ended."""
        looked_at, found = forked(lambda: self.deed.look(self.folder))
        if looked_at == REFUSED and status != DONE:
            return "refused afterwards", found
        if looked_at not in {DONE, REFUSED}:
            return "half-written", found
        if status == DONE:
            return ("acknowledged" if found == self.after else "lost"), found
        return ("told" if found in {self.before, self.after} else "half-written"), found


def must(outcome: tuple[int, str]) -> str:
    """Give what a process printed that had to succeed."""
    status, said = outcome
    if status != DONE:
        raise SystemExit(f"Expected a sound deed to succeed, got:\n{said}")
    return said


def looked(deed: Deed, folder: Path) -> str:
    """Give what a sound folder says, in a process of its own."""
    return must(forked(lambda: deed.look(folder)))


def run(name: str, every: int) -> dict[str, object]:
    """Let each call of a deed fail in each way."""
    with tempfile.TemporaryDirectory() as place:
        scene = Scene.of(DEEDS[name](), Path(place))
        calls = scene.calls()
        counts: Counter[str] = Counter()
        stride = every * scene.deed.stride
        for call in range(1, calls + 1, stride):
            for fault, how in FAULTS.items():
                ended, why = scene.suffer(call, how)
                counts[ended] += 1
                if ended not in {"told", "acknowledged"} and counts[ended] <= 3:
                    print(f"{name}, call {call}, {fault}: {ended}\n{why[-1200:]}",
                          file=sys.stderr, flush=True)  # fmt: skip
    names = ("told", "acknowledged", "refused afterwards", "lost", "half-written",
             "crash", "stuck")  # fmt: skip
    return {
        "calls": calls,
        "faults": counts.total(),
        **{name: counts[name] for name in names},
    }


def under_the_library(place: Path) -> None:
    """Build the library and start this script again under it."""
    built = place / "faults.so"
    subprocess.run(
        [os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-O1", "-o", built,
         HERE / "faults.c", "-ldl"],
        check=True,
    )  # fmt: skip
    own = {"LD_PRELOAD": str(built), LIBRARY: str(built), "OPENBLAS_NUM_THREADS": "1",
           "OMP_NUM_THREADS": "1"}  # fmt: skip
    command = [sys.executable, __file__, *sys.argv[1:]]
    sys.exit(subprocess.run(command, env={**os.environ, **own}, check=False).returncode)


def main() -> None:
    """Let disks fail, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="the others stay as in --out", choices=DEEDS)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if LIBRARY not in os.environ:
        with tempfile.TemporaryDirectory() as place:
            under_the_library(Path(place))
    from machine import publish

    for module in LOADED:
        importlib.import_module(module)
    found = {}
    for name in DEEDS:
        if arguments.only in {None, name}:
            found[name] = run(name, arguments.every)
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    if arguments.only and arguments.out and arguments.out.exists():
        found = json.loads(arguments.out.read_text())["deeds"] | found
    publish({"deeds": found}, arguments.out)


if __name__ == "__main__":
    main()
