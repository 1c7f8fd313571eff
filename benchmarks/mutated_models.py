"""Damaged and forged model folders: each is refused in one sentence, or says the same.

A model folder with two seeds and a calibration is damaged in one file: bytes flipped,
cut out, doubled, swapped with another file, or a file gone. Half of the folders are
forged besides: a value of a JSON record is replaced by an odd one and every hash is
made anew, as a stranger could. Loading it and forecasting ends as

- refused: an error of ours, in one sentence,
- same: the forecast of the sound model,
- forged: another forecast of a folder whose hashes were made anew. No hash can tell,
- silent: another forecast of a folder whose hashes were not. There must be none.

Anything raised but an error of ours is a crash.

    python benchmarks/mutated_models.py --out benchmarks/results/mutated_models.json

10,000 folders take some three minutes on one core.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from machine import publish

from closecast.errors import ClosecastError
from closecast.experiments.forecaster import Forecaster
from closecast.market.bars import Bars
from closecast.testing import random_walk
from closecast.training.checkpoint import METRICS, MODEL, WEIGHTS

TINY = {"hidden_size": 2, "num_layers": 1, "epochs": 2, "batch_size": 64}
ODD: tuple[object, ...] = (
    None, True, -1, 0, 1, 7, 10**30, 1e308, float("nan"), float("inf"), "", "x", "..",
    "/dev/zero", "2013-01-02", [], {}, [[]], [None], {"x": 1}, ["seed_1"], "a" * 64,
)  # fmt: skip


def flip(content: bytes, dice: random.Random) -> bytes:
    """Flip some bits."""
    made = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8))):
        made[dice.randrange(len(made))] ^= 1 << dice.randrange(8)
    return bytes(made)


def cut(content: bytes, dice: random.Random) -> bytes:
    """Cut a piece out, or the end off."""
    at = dice.randrange(len(content))
    return content[:at] + content[at + dice.choice((1, 8, 100, len(content))) :]


def double(content: bytes, dice: random.Random) -> bytes:
    """Write a piece twice."""
    at = dice.randrange(len(content))
    return content[: at + 40] + content[at:]


def noise(content: bytes, dice: random.Random) -> bytes:
    """Write something else of another length."""
    return dice.randbytes(dice.choice((0, 1, 8, len(content))))


MUTATIONS = (flip, flip, cut, double, noise)


def damage(folder: Path, dice: random.Random) -> str:
    """Damage one file; say which."""
    path = dice.choice(sorted(p for p in folder.rglob("*") if p.is_file()))
    kind = dice.random()
    if kind < 0.05:
        path.unlink()
    elif kind < 0.1:
        other = dice.choice(sorted(p for p in folder.rglob("*") if p.is_file()))
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(dice.choice(MUTATIONS)(path.read_bytes(), dice))
    return path.name


def forge(folder: Path, dice: random.Random) -> str:
    """Replace a value of a record, or bytes of a file, and make every hash anew."""
    place = dice.choice(sorted(p.parent for p in folder.rglob(MODEL)))
    document = json.loads((place / MODEL).read_text())
    kind = dice.random()
    if kind < 0.7:
        changed(document, dice)
    else:
        path = place / dice.choice((WEIGHTS, METRICS, *document.get("beside", ())))
        path.write_bytes(dice.choice(MUTATIONS)(path.read_bytes(), dice))
        document["weights_sha256"] = digest(place / WEIGHTS)
        document["metrics_sha256"] = digest(place / METRICS)
        for name in document.get("beside", ()):
            document["beside"][name] = digest(place / name)
    seal(place, document)
    if place != folder:
        whole = json.loads((folder / MODEL).read_text())
        whole["siblings"][place.name] = digest(place / MODEL)
        seal(folder, whole)
    return "forged"


def changed(document: object, dice: random.Random) -> None:
    """Replace, drop or add a value somewhere in a record."""
    while True:
        assert isinstance(document, dict | list)  # noqa: S101
        keys = list(document) if isinstance(document, dict) else range(len(document))
        key = dice.choice(list(keys))
        inner = document[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.4:
            break
        document = inner
    if isinstance(document, dict) and dice.random() < 0.2:
        del document[key]
    else:
        document[key] = dice.choice(ODD)


def digest(path: Path) -> str:
    """Give the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seal(place: Path, document: dict[str, object]) -> None:
    """Write a record with a hash that fits, as a stranger can."""
    document.pop("sha256", None)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (place / MODEL).write_text(json.dumps(document, indent=2) + "\n")


def said(folder: Path, bars: Bars) -> bytes:
    """Give the bytes of what a model says, the band of the path with it."""
    forecast = Forecaster.load(folder).forecast(bars)
    low, high = forecast.path_interval(0.8)
    return b"".join(part.tobytes() for part in (forecast.quantiles, low, high))


def run(folders: int, seed: int, home: Path) -> dict[str, object]:
    """Damage folders and count how they end."""
    dice = random.Random(seed)  # noqa: S311  no secret
    bars = random_walk(2, 300)
    whole, folder = home / "whole", home / "model"
    Forecaster(**TINY, seeds=2, calibrate="conformal").fit(bars).save(whole)
    sound = said(whole, bars)
    counts: Counter[str] = Counter()
    for number in range(folders):
        shutil.copytree(whole, folder)
        forged = number % 2 == 1
        what = (forge if forged else damage)(folder, dice)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                same = said(folder, bars) == sound
            ended = "same" if same else "forged" if forged else "silent"
        except ClosecastError as error:
            known = str(error).startswith("Expected ")
            ended = "refused" if known else f"crash: {error}"
        except Exception as error:
            ended = f"crash: {type(error).__name__}: {error}"
        kind = ended.split(":")[0]
        counts[kind] += 1
        if kind in {"crash", "silent"} and counts[kind] <= 12:
            kept = Path(tempfile.gettempdir()) / f"closecast-model-{seed}-{number}"
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            print(f"{what}: {ended[:200]} ({kept})", file=sys.stderr, flush=True)
        shutil.rmtree(folder)
    names = ("refused", "same", "forged", "silent", "crash")
    return {"folders": folders, **{name: counts[name] for name in names}}


def main() -> None:
    """Damage, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as home:
        found = run(arguments.folders, arguments.seed, Path(home))
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
