"""Flip every bit of every artefact and see whether the flip is found before it is used.

Artefacts are written small: a model folder, a training under way, a store, a ledger
with its receipts, a shelf, a sealed sweep, a panel on disk. One bit of one file is
flipped at a time and the artefact is opened as its reader opens it, or verified by the
command that a user has for it. Each flip ends as

- found: refused with one sentence, or named by the artefact's verification,
- same: not refused, and all that the artefact says is what it said before, as in a page
  that SQLite does not use,
- silent: not refused, and something else is said. There must be none.

Anything raised but an error of ours is a crash. A file of up to 40,000 bits is flipped
at every bit, a larger one at so many as ``--most`` says, spread at random. A sealed
sweep, whose every look takes a third of a second, has so few of each file as it says.

    python benchmarks/bit_flips.py --out benchmarks/results/bit_flips.json

Some fifty minutes on one core.
"""

import argparse
import datetime as dt
import json
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from machine import machine, publish

from closecast.engine.fleet import TrainingState
from closecast.errors import ClosecastError
from closecast.evaluation.conformal import MEDIAN, Promise
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.sweep import sweep
from closecast.experiments.verify import verify
from closecast.market.bars import Bars
from closecast.market.sample import sample_bars
from closecast.market.store import Store
from closecast.models.baselines import Zero
from closecast.serving.ledger import Ledger, Publication
from closecast.serving.ledger.adaptation import keep_promise, newest_promise
from closecast.serving.shelf import Shelf
from closecast.serving.shelf import load as load_version
from closecast.testing import random_walk
from closecast.training import unfinished
from closecast.windows.on_disk import DiskPanel, write_panel

TINY = {"hidden_size": 2, "num_layers": 1, "epochs": 2, "batch_size": 64}
DRAWN = {"report.html", "lock"}
"""A page that is drawn again from the files at will, and an empty file."""

WHOLE = 40_000
"""A file of so many bits at most is flipped at every bit."""

SHOWN = 5


class FoundError(Exception):
    """Verification named something."""


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """What is flipped.

    Attributes:
        root: Its folder.
        look: Opens it, refuses it or gives all that it says, as something to compare.
        few: Bits of any file at most, where looking takes long; None leaves it open.
    """

    root: Path
    look: Callable[[], object]
    few: int | None = None

    @property
    def files(self) -> list[Path]:
        """Every file of it that a reader believes."""
        every = sorted(path for path in self.root.rglob("*") if path.is_file())
        return [path for path in every if path.name not in DRAWN]


def model(root: Path) -> Artefact:
    """A model folder with calibration, two seeds and leak tests."""
    bars = random_walk(2, 400)
    Forecaster(**TINY, seeds=2, calibrate="conformal").fit(bars).save(root)

    def look() -> object:
        loaded = Forecaster.load(root)
        return (
            spoken(loaded, bars),
            loaded.leak_tests,
            loaded.settings.to_dict(),
            [m.curve for m in loaded.model.members],
        )

    return Artefact(root=root, look=look)


def spoken(forecaster: Forecaster, bars: Bars) -> bytes:
    """Give the bytes of a forecast."""
    forecast = forecaster.forecast(bars)
    low, high = forecast.path_interval(0.8)
    parts = (forecast.mean, forecast.quantiles, low, high)
    return b"".join(part.tobytes() for part in parts)


def under_way(root: Path) -> Artefact:
    """A training between two epochs."""
    weights = {"w": np.arange(40.0, dtype=np.float32)}
    state = TrainingState(
        train_loss=(0.5, 0.4), validation_loss=(0.6, 0.5), best_epoch=2,
        engine="native", best=weights, trainee=weights,
    )  # fmt: skip
    kept = unfinished.Unfinished(root, 0.0)
    kept.checkpoints(["member"]).keep("member", state)

    def look() -> object:
        found = unfinished.Unfinished(root, 0.0).checkpoints(["member"]).saved
        if "member" not in found:
            raise FoundError
        one = found["member"]
        return (one.train_loss, one.validation_loss, one.best_epoch, one.engine,
                one.best["w"].tobytes(), one.trainee["w"].tobytes())  # fmt: skip

    return Artefact(root=root, look=look)


def store(root: Path) -> Artefact:
    """A store of three batches, one of them compacted, by ``closecast data verify``."""
    bars = random_walk(2, 80)
    days = np.unique(bars.dates)
    Store(root).append(bars.select(bars.dates < days[60]), source="first")
    Store(root).compact()
    Store(root).append(bars.select(bars.dates >= days[60]), source="second")

    def look() -> object:
        opened = Store(root)
        if opened.verify():
            raise FoundError
        read = opened.read()
        batches = [(b.batch, b.kind, b.source, b.added) for b in opened.batches()]
        return (read.fingerprint, opened.content_hash, batches, opened.adjustments(),
                [s.symbol for s in opened.symbols()])  # fmt: skip

    return Artefact(root=root, look=look)


def store_read(root: Path) -> Artefact:
    """The same store as it is read, without being verified first."""
    store(root)

    def look() -> object:
        opened = Store(root)
        newest, read = opened.last(64), Store(root).read()
        return (newest.fingerprint, read.fingerprint, opened.content_hash)

    return Artefact(root=root, look=look)


def ledger(root: Path) -> Artefact:
    """A ledger with scores, a promise and receipts, by ``closecast ledger verify``."""
    root.mkdir()
    every = sample_bars()
    named = every.names(np.arange(len(every))) == "IBM"
    newest = np.unique(every.dates)[-60]
    bars = every.select(named & (every.dates >= newest))
    days = np.unique(bars.dates)
    place = root / "ledger.sqlite"
    with closing(Ledger.open(place)) as opened:
        for day in range(40, 44):
            past = bars.select(bars.dates <= days[day])
            forecasts = {
                "closecast": Zero(horizon=2).forecast(past, past.offsets[1:] - 1)
            }
            hashes = {"closecast": "a" * 64}
            evening = dt.datetime.combine(days[day].item(), dt.time(22), dt.UTC)
            published = Publication.of(
                forecasts, past, model_hashes=hashes, calendar="XNYS"
            )
            opened.record(published, evening)
            opened.score(past, evening)
        promise = Promise(coverage=np.full((2, MEDIAN), 0.5))
        with opened.database.writing() as connection:
            keep_promise(connection, "a" * 64, promise, evening)

    def look() -> object:
        with closing(Ledger.open(place, create=False)) as opened:
            if opened.verify():
                raise FoundError
            with opened.database.reading() as connection:
                promised = newest_promise(connection, "a" * 64)
            said = [repr(past) for past in opened.entries()]
            return (opened.head, said, repr(promised), opened.scoreboard())

    return Artefact(root=root, look=look)


def shelf(root: Path) -> Artefact:
    """A shelf with two versions, as a server reads it."""
    with tempfile.TemporaryDirectory() as folder:
        Forecaster(**TINY).fit(random_walk(2, 400)).save(folder)
        Shelf(root).add(folder, reason="the first")
        Shelf(root).add(folder, reason="the second")
    Shelf(root).promote(1, reason="none serves")
    Shelf(root).promote(2, reason="newer")

    def look() -> object:
        serving = Shelf(root).current()
        if serving is None:
            return None
        model = load_version(serving).model
        log = [entry.line for entry in Shelf(root).log()]
        versions = [version.manifest for version in Shelf(root).versions()]
        weights = {name: array.tobytes() for name, array in model.weights.items()}
        every = [Shelf(root).version(v["version"]) for v in versions]
        return (serving.number, log, versions, weights, len(every))

    return Artefact(root=root, look=look)


def sealed_sweep(root: Path) -> Artefact:
    """A sweep's run folder, by ``closecast verify``."""
    index = root.with_name("index")
    sweep(
        random_walk(2, 400), {"learning_rate": [0.001, 0.01]}, seeds=2, out=root,
        index=index, **TINY,
    )  # fmt: skip

    def look() -> object:
        if not all(check.passed for check in verify(root)):
            raise FoundError
        return True

    return Artefact(root=root, look=look, few=100)


def panel(root: Path) -> Artefact:
    """A panel on disk, as a training opens it."""
    bars = random_walk(2, 80)
    write_panel(root, [bars])

    def look() -> object:
        opened = DiskPanel.open(root)
        opened.require_intact()
        content = [path.read_bytes() for path in sorted(root.glob("*.?64"))]
        return (opened.symbols, opened.offsets.tolist(), opened.fingerprint, content)

    return Artefact(root=root, look=look)


ARTEFACTS = {
    "model": model,
    "training under way": under_way,
    "store, verified": store,
    "store, read": store_read,
    "ledger": ledger,
    "shelf": shelf,
    "sealed sweep": sealed_sweep,
    "panel on disk": panel,
}


def bits_of(bits: int, artefact: Artefact, most: int, dice: random.Random) -> list[int]:
    """Choose the bits of a file that are flipped: all, or so many at random."""
    if bits <= (artefact.few or WHOLE):
        return list(range(bits))
    return dice.sample(range(bits), min(bits, artefact.few or most))


def ended(artefact: Artefact, before: object) -> str:
    """Look at a flipped artefact; say how it ended."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            now = artefact.look()
    except (ClosecastError, FoundError):
        return "found"
    except Exception as error:
        return f"crash: {type(error).__name__}: {error}"
    return "same" if now == before else "silent"


def flip_all(artefact: Artefact, most: int, dice: random.Random) -> dict[str, object]:
    """Flip bit after bit of every file and count how it ended."""
    before = artefact.look()
    whole = artefact.root.with_name("whole")
    shutil.copytree(artefact.root, whole)
    counts: Counter[str] = Counter()
    by_file: dict[str, dict[str, int]] = {}
    whole_files = 0
    for path in artefact.files:
        name = path.relative_to(artefact.root)
        size = 8 * path.stat().st_size
        bits = bits_of(size, artefact, most, dice)
        whole_files += len(bits) == size
        own: Counter[str] = Counter()
        for bit in bits:
            content = bytearray((whole / name).read_bytes())
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            outcome = ended(artefact, before)
            kind = outcome.split(":")[0]
            own[kind] += 1
            if kind in {"silent", "crash"} and own[kind] <= SHOWN:
                print(f"{name}, bit {bit}: {outcome}", file=sys.stderr, flush=True)
            restore(whole, artefact.root)
        by_file[str(name)] = dict(sorted(own.items()))
        counts.update(own)
    shutil.rmtree(whole)
    names = ("found", "same", "silent", "crash")
    return {
        "flips": counts.total(),
        "files at every bit": whole_files,
        **{name: counts[name] for name in names},
        "files": by_file,
    }


def restore(whole: Path, root: Path) -> None:
    """Bring back every file that differs; drop what a reader left beside."""
    kept = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    for path in root.rglob("*"):
        if path.is_file() and path.relative_to(root) not in kept:
            path.unlink()
    for name in kept:
        content = (whole / name).read_bytes()
        if not (root / name).is_file() or (root / name).read_bytes() != content:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)


def stamp(where: dict[str, Any]) -> dict[str, object]:
    """Give what says of which code and day a part is."""
    return {name: where[name] for name in ("commit", "date")}


def stamped(result: dict[str, Any]) -> dict[str, dict[str, object]]:
    """Give the parts of an older result, each with the commit that it is of."""
    return {
        name: stamp(result["machine"]) | part
        for name, part in result["artefacts"].items()
    }


def main() -> None:
    """Flip, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="the others stay as in --out", choices=ARTEFACTS)
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)  # noqa: S311  no secret
    found: dict[str, dict[str, object]] = {}
    if arguments.only and arguments.out and arguments.out.exists():
        found = stamped(json.loads(arguments.out.read_text()))
    for name, make in ARTEFACTS.items():
        if arguments.only in {None, name}:
            with tempfile.TemporaryDirectory() as folder:
                artefact = make(Path(folder) / "artefact")
                counted = flip_all(artefact, arguments.most, dice)
            found[name] = counted | stamp(machine())
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    publish({"artefacts": found}, arguments.out)


if __name__ == "__main__":
    main()
