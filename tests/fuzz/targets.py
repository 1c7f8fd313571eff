"""What is fuzzed: each door through which bytes of others come in.

A target takes bytes, puts them where its reader looks for them and lets it read. An
error of ours is an answer; anything else that is raised is a find. Seeds are real files
of the tests; the strategies of hypothesis write such files from their grammar, with odd
values, where a fuzzer that turns bits would seldom come.
"""

import gzip
import hashlib
import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from closecast.errors import ClosecastError
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.grid import read_grid
from closecast.market.own import OwnNames, with_own
from closecast.market.readers import read_bars
from closecast.serving.daily.config import read_config
from closecast.serving.ledger.receipts import read_receipts
from closecast.testing import random_walk
from closecast.training.checkpoint import METRICS, MODEL, WEIGHTS
from closecast.training.settings import Settings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests" / "market" / "readers" / "examples"
TINY = {"hidden_size": 2, "num_layers": 1, "epochs": 1, "batch_size": 64}

DATES = """2024-01-02|02.01.2024|01/02/2024|20240102|Jan 2, 2024|240102|1704153600
2024-01-02T00:00:00Z|2024년 1월 2일|2024-02-30|0000-00-00|9999-12-31||-|1e9"""
NUMBERS = """1|1.5|1,234.5|1.234,5|1 234,5|$1.5|1.2M|-1|0|nan|inf|1e308|1e-320|1e400
99999999999999999999||-|N/A|(1.5)|1'234|0x10|1.5%"""
HEADERS = """Date|date|Time|Open|High|Low|Close|Adj Close|Volume|Symbol|Ticker|<DATE>
Price|Vol.|종가|날짜|시가|x|"""
VALUES = (
    None, True, -1, 0, 1, 7, 2**70, 1e308, float("nan"), "", "x", "..", "/dev/zero",
    "2013-01-02", [], [1, 2], [[]], {}, {"x": 1}, "a" * 64,
)  # fmt: skip


def one_of(texts: str) -> st.SearchStrategy[str]:
    """Draw one of texts that bars and line ends divide."""
    return st.sampled_from(texts.replace("\n", "|").split("|"))


@dataclass(frozen=True, kw_only=True)
class Target:
    """A door, and what is tried at it.

    Attributes:
        feed: Lets the reader read bytes; an error of ours is an answer.
        seeds: Sound bytes.
        written: Bytes from a grammar, for hypothesis.
    """

    feed: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    written: st.SearchStrategy[bytes]

    def try_out(self, content: bytes) -> None:
        """Feed bytes; let anything but an error of ours out."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.feed(content)
            except ClosecastError as error:
                if not str(error).startswith("Expected "):
                    raise AssertionError(str(error)) from error


@cache
def home() -> Path:
    """Make the folder that everything is written to, once a process."""
    kept = tempfile.TemporaryDirectory(prefix="closecast-fuzz-")
    _kept.append(kept)
    return Path(kept.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def read_as(name: str) -> Callable[[bytes], None]:
    """Give a target that reads bytes as prices of a file's name."""

    def feed(content: bytes) -> None:
        path = home() / name
        path.write_bytes(content)
        read_bars(path)

    return feed


def own_columns(content: bytes) -> None:
    """Read a user's own columns."""
    path = home() / "own.csv"
    path.write_bytes(content)
    with_own(walk(), path, OwnNames(past=("a",), static=("b",)), 2)


def settings(content: bytes) -> None:
    """Read settings and a grid, as closecast sweep --config does."""
    path = home() / "sweep.toml"
    path.write_bytes(content)
    Settings.of(read_grid(path).settings)


def daily_job(content: bytes) -> None:
    """Read the settings of the daily job."""
    path = home() / "daily.toml"
    path.write_bytes(content)
    read_config(path)


def receipts(content: bytes) -> None:
    """Read the receipts of a ledger."""
    path = home() / "receipts"
    path.write_bytes(content)
    list(read_receipts(path))


def model_record(content: bytes) -> None:
    """Load a model whose record a stranger has written and sealed."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        (model_folder() / MODEL).write_bytes(content)
    else:
        if isinstance(document, dict):
            document.pop("sha256", None)
            document["sha256"] = digest(json.dumps(
                document, sort_keys=True, separators=(",", ":")).encode())  # fmt: skip
        text = json.dumps(document, indent=2) + "\n"
        (model_folder() / MODEL).write_text(text, encoding="utf-8", errors="replace")
    Forecaster.load(model_folder())


def model_part(name: str, stated: str) -> Callable[[bytes], None]:
    """Give a target that loads a model with a file of it replaced and sealed anew."""

    def feed(content: bytes) -> None:
        document = json.loads(record())
        document[stated] = digest(content)
        (model_folder() / name).write_bytes(content)
        try:
            model_record(json.dumps(document).encode())
        finally:
            (model_folder() / name).write_bytes(sound_files()[name])

    return feed


def digest(content: bytes) -> str:
    """Give the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


@cache
def walk() -> Any:
    """Give a small market."""
    return random_walk(2, 300)


@cache
def model_folder() -> Path:
    """Train a model once and give its folder."""
    Forecaster(**TINY).fit(walk()).save(home() / "model")
    return home() / "model"


@cache
def sound_files() -> dict[str, bytes]:
    """Give the model's files as they were saved."""
    model_folder()
    return {path.name: path.read_bytes() for path in (home() / "model").glob("*.*")}


def record() -> bytes:
    """Give the model's record as it was saved."""
    return sound_files()[MODEL]


def examples() -> list[bytes]:
    """Give the vendors' files of the tests."""
    return [path.read_bytes() for path in sorted(EXAMPLES.glob("*.csv"))]


def gzip_examples() -> list[bytes]:
    """Give some of them in gzip."""
    return [gzip.compress(one) for one in examples()[:4]]


def zip_examples() -> list[bytes]:
    """Give one of them in zip, packed and not."""
    made = []
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", kind) as archive:
            archive.writestr("prices.csv", examples()[1])
        made.append(file.getvalue())
    return made


@cache
def parquet_examples() -> list[bytes]:
    """Give a small Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    prices = np.arange(1.0, 31.0)
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), prices)
    days = np.datetime64("2024-01-01") + np.arange(30)
    file = io.BytesIO()
    pq.write_table(pa.table({"date": days, **columns}), file)
    return [file.getvalue()]


TOML = b"""hidden_size = 4
epochs = 2
[grid]
dropout = [0.0, 0.1]
"""
DAILY = b"""model = "model"
prices = "sample"
home = "daily"
[watch]
delay_minutes = 5
"""


def own_seeds() -> list[bytes]:
    """Give a table of own columns."""
    bars = walk()
    lines = [
        f"{bars.dates[row]},{bars.symbol_of(row)},1.5,x" for row in range(len(bars))
    ]
    return ["\n".join(["date,symbol,a,b", *lines]).encode()]


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Write a table of prices, some of it odd."""
    delimiter = draw(st.sampled_from(",;\t |"))
    names = draw(st.lists(one_of(HEADERS), min_size=1, max_size=8))
    cell = st.one_of(one_of(NUMBERS), st.floats().map(str), st.text(max_size=6))
    rows = draw(st.lists(st.tuples(
        st.one_of(one_of(DATES), st.dates().map(str)),
        st.lists(cell, min_size=0, max_size=7)), max_size=12))  # fmt: skip
    lines = [delimiter.join(names)]
    lines += [delimiter.join([date, *cells]) for date, cells in rows]
    end = draw(st.sampled_from(("\n", "\r\n", "\r")))
    page = draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "cp949", "cp1252")))
    return end.join(lines).encode(page, "replace")


@st.composite
def documents(
    draw: st.DrawFn, names: tuple[str, ...], tables: tuple[str, ...]
) -> bytes:
    """Write TOML of known and unknown names with odd values."""
    value = st.one_of(
        st.sampled_from(('""', "true", "-1", "0", "1", "nan", "inf", "1e308", "[]",
                         "[1, 2]", '["a"]', "{}", "2020-01-01", "99999999999999999999",
                         "07:32:00", '"x"', "[[1]]", "1979-05-27T07:32:00Z")),
        st.integers().map(str), st.floats().map(str),
        st.text(max_size=5).map(json.dumps),
    )  # fmt: skip
    pair = st.tuples(st.sampled_from(names), value)
    lines = [f"{name} = {said}" for name, said in dict(draw(st.lists(pair))).items()]
    for table in draw(st.lists(st.sampled_from(tables), unique=True)):
        lines.append(f"[{table}]")
        inside = dict(draw(st.lists(pair, max_size=4)))
        lines += [f"{name} = {said}" for name, said in inside.items()]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Write a model's record with a value replaced, dropped or added."""
    whole = json.loads(record())
    for _ in range(draw(st.integers(1, 3))):
        inner = whole
        while isinstance(inner, dict) and inner:
            key = draw(st.sampled_from(sorted(inner)))
            if (
                not isinstance(inner[key], dict)
                or not inner[key]
                or draw(st.booleans())
            ):
                inner[key] = draw(st.sampled_from(VALUES))
                break
            inner = inner[key]
    return json.dumps(whole).encode()


@st.composite
def spoiled(draw: st.DrawFn, seeds: Callable[[], list[bytes]]) -> bytes:
    """Cut, double and replace pieces of a sound file."""
    content = draw(st.sampled_from(seeds()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 40))
        content = content[:at] + draw(st.binary(max_size=12)) + content[at + length :]
    return content


def target(
    feed: Callable[[bytes], None],
    seeds: Callable[[], list[bytes]],
    *grammars: st.SearchStrategy[bytes],
) -> Target:
    """Make a target that hypothesis feeds with spoiled seeds and from grammars."""
    return Target(feed=feed, seeds=seeds, written=st.one_of(spoiled(seeds), *grammars))


SETTING_NAMES = (*Settings().to_dict(), "unknown", "seeds")
DAILY_NAMES = ("model", "shelf", "prices", "home", "ledger", "calendar", "language",
               "notice", "url", "port", "host", "vendor", "symbols", "sender", "to",
               "delay_minutes", "timeout_s", "tries", "unknown")  # fmt: skip

TARGETS = {
    "prices, text": target(read_as("prices.csv"), examples, tables()),
    "prices, gzip": target(read_as("prices.csv.gz"), gzip_examples),
    "prices, zip": target(read_as("prices.zip"), zip_examples),
    "prices, Parquet": target(read_as("prices.parquet"), parquet_examples),
    "own columns": target(own_columns, own_seeds, tables()),
    "settings": target(
        settings, lambda: [TOML], documents(SETTING_NAMES, ("grid", "x"))
    ),
    "daily job": target(
        daily_job,
        lambda: [DAILY],
        documents(DAILY_NAMES, ("watch", "mail", "webhook", "pull")),
    ),
    "ledger's receipts": target(
        receipts, lambda: [b'{"ledger": "a", "number": 1, "hash": "b"}\n']
    ),
    "model, record": target(model_record, lambda: [record()], st.deferred(records)),
    "model, weights": target(
        model_part(WEIGHTS, "weights_sha256"), lambda: [sound_files()[WEIGHTS]]
    ),
    "model, curve": target(
        model_part(METRICS, "metrics_sha256"), lambda: [sound_files()[METRICS]]
    ),
}
"""Every target by name."""
