"""Damaged price files: none may crash, none may change a price in silence.

Files of eleven formats are damaged at random: bytes flipped, a piece cut out or the end
cut off, columns shuffled, code pages mixed, rows doubled or swapped. Each ends as

- refused: one sentence says what is wrong,
- same: every bar read is a bar of the sound file (some may be gone with their rows),
- named: a bar differs, and a warning of the doctor names its symbol and date, or a
  warning of the reader says of the file that volumes or all but closes are not known,
- written: a bar differs, and it is what the damaged file says: one of its lines holds
  that date and all five numbers, by the format's own rules, read by a second parser
  that shares no code with ours. A flip of one digit into another makes such a file,
  as sound as the first; nobody can tell them apart,
- silent: a bar differs, and it is neither named nor written. There must be none.

Anything raised but a refusal is a crash. Writes results/mutated_files.json.

    python benchmarks/mutated_files.py --files 100000    # some six minutes
"""

import argparse
import collections
import csv
import datetime as dt
import random
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from closecast.errors import BarsError
from closecast.market.bars import Bars
from closecast.market.doctor import check
from closecast.market.readers import read_bars
from closecast.market.readers.convert import CLOSES_ONLY, NO_VOLUME

ROWS = 40
Row = tuple[dt.date, float, float, float, float, int]
Outcome = str

MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]


@dataclass(frozen=True, kw_only=True)
class Template:
    """A format to damage, and the second parser's rules for it.

    Attributes:
        header: First lines.
        row: Writes a bar.
        delimiter: What divides its cells.
        comma: Decimals come after a comma, not after a point.
        page: Code page.
    """

    header: str
    row: Callable[[Row], str]
    delimiter: str = ","
    comma: bool = False
    page: str = "utf-8"


def _plain(row: Row) -> str:
    day, *prices, volume = row
    return ",".join([str(day), *(f"{price:.2f}" for price in prices), str(volume)])


def _german(row: Row) -> str:
    day, *prices, volume = row
    texts = [f"{p:,.2f}".translate(str.maketrans(",.", ".,")) for p in prices]
    return ";".join([f"{day:%d.%m.%Y}", *texts, f"{volume:,}".replace(",", ".")])


def _investing(row: Row) -> str:
    day, o, h, low, c, volume = row
    name = f"{MONTHS[day.month - 1]} {day:%d, %Y}"
    prices = [f"{price:,.2f}" for price in (c, o, h, low)]
    return ",".join(f'"{x}"' for x in (name, *prices, f"{volume / 1e3:.3f}K", "0.1%"))


def _nasdaq(row: Row) -> str:
    day, o, h, low, c, volume = row
    return f"{day:%m/%d/%Y},${c:.2f},{volume},${o:.2f},${h:.2f},${low:.2f}"


def _krx(row: Row) -> str:
    day, o, h, low, c, volume = row
    prices = [f"{price:,.2f}" for price in (c, o, h, low)]
    return ",".join(f'"{x}"' for x in (f"{day:%Y/%m/%d}", *prices, f"{volume:,}"))


def _epoch(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * 86_400_000


def _kline(row: Row) -> str:
    day, *prices, volume = row
    start = _epoch(day)
    cells = [start, *(f"{p:.2f}" for p in prices), volume, start + 86_399_999]
    return ",".join(map(str, [*cells, 1, 2, 3, 4, 0]))


def _stooq(row: Row) -> str:
    day, *prices, volume = row
    texts = [f"{price:.2f}" for price in prices]
    return ",".join(["A.US", "D", f"{day:%Y%m%d}", "000000", *texts, f"{volume}", "0"])


NAMES = "date,open,high,low,close,volume\n"
TEMPLATES = {
    "plain": Template(header=NAMES, row=_plain),
    "tabs": Template(
        header=NAMES.replace(",", "\t"),
        row=lambda row: _plain(row).replace(",", "\t"),
        delimiter="\t",
    ),
    "yahoo": Template(header=NAMES.title(), row=_plain),
    "preamble": Template(header="# a list\n# of prices\n" + NAMES, row=_plain),
    "german": Template(
        header="Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n",
        row=_german,
        delimiter=";",
        comma=True,
    ),
    "investing": Template(
        header='\ufeff"Date","Price","Open","High","Low","Vol.","Change %"\n',
        row=_investing,
    ),
    "nasdaq": Template(header="Date,Close/Last,Volume,Open,High,Low\n", row=_nasdaq),
    "krx": Template(
        header='"일자","종가","시가","고가","저가","거래량"\n', row=_krx, page="cp949"
    ),
    "klines": Template(header="", row=_kline),
    "stooq": Template(
        header="<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,"
        "<OPENINT>\n",
        row=_stooq,
    ),
    "long": Template(header="symbol," + NAMES, row=lambda row: "A," + _plain(row)),
}


def rows_of(rng: random.Random) -> list[Row]:
    """Walk at random, about a thousand, so that thousands are grouped."""
    close, day, rows = 1000.0, dt.date(2023, 1, 2), []
    for _ in range(ROWS):
        opened = close * (1 + rng.gauss(0, 0.004))
        close *= 1 + rng.gauss(0, 0.015)
        high, low = max(opened, close) * 1.003, min(opened, close) * 0.997
        prices = [round(price, 2) for price in (opened, high, low, close)]
        rows.append((day, *prices, rng.randrange(1000, 5_000_000)))
        day += dt.timedelta(days=3 if day.weekday() == 4 else 1)
    return rows


def flip(raw: bytes, rng: random.Random, _: Template) -> bytes:
    """Change one to four bytes."""
    changed = bytearray(raw)
    for _number in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def replace_byte(raw: bytes, rng: random.Random, _: Template) -> bytes:
    """Put a sign of numbers or tables where another byte was."""
    at = rng.randrange(len(raw))
    return raw[:at] + rng.choice(b'0123456789.,;-" \n\t').to_bytes() + raw[at + 1 :]


def cut(raw: bytes, rng: random.Random, _: Template) -> bytes:
    """Cut a piece out, or the end off."""
    at = rng.randrange(len(raw))
    end = len(raw) if rng.random() < 0.5 else min(len(raw), at + rng.randint(1, 60))
    return raw[:at] + raw[end:]


def shuffle(raw: bytes, rng: random.Random, template: Template) -> bytes:
    """Bring the columns into another order, header and all."""
    if '"' in template.header or not template.header:
        return flip(raw, rng, template)
    lines = [x.split(template.delimiter) for x in raw.decode(template.page).split("\n")]
    width = max(map(len, lines))
    order = rng.sample(range(width), width)
    mixed = [[x[i] for i in order] if len(x) == width else x for x in lines]
    return "\n".join(template.delimiter.join(x) for x in mixed).encode(template.page)


def mix_pages(raw: bytes, rng: random.Random, template: Template) -> bytes:
    """Write the rest of the file in another code page."""
    at = rng.randrange(len(raw))
    rest = raw[at:].decode(template.page, errors="replace")
    page = rng.choice(["utf-16", "utf-16-le", "cp949", "latin-1", "utf-8-sig"])
    return raw[:at] + rest.encode(page, errors="replace")


def double_rows(raw: bytes, rng: random.Random, _: Template) -> bytes:
    """Write a row twice, perhaps with a digit changed."""
    lines = raw.split(b"\n")
    row = rng.choice(lines[1:-1])
    if rng.random() < 0.5:
        row = row[:-1] + b"7"
    lines.insert(rng.randrange(1, len(lines)), row)
    return b"\n".join(lines)


def swap_rows(raw: bytes, rng: random.Random, _: Template) -> bytes:
    """Swap two rows."""
    lines = raw.split(b"\n")
    one, other = rng.sample(range(1, len(lines) - 1), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


MUTATIONS = (flip, replace_byte, cut, shuffle, mix_pages, double_rows, swap_rows)


def outcome(path: Path, sound: Bars, template: Template) -> Outcome:
    """Read a damaged file and say how it ended."""
    try:
        reading = read_bars(path)
    except BarsError as error:
        known = str(error).startswith("Expected ") and "Traceback" not in str(error)
        return "refused" if known else f"crash: {error}"
    except Exception as error:
        return f"crash: {error!r}"
    known_bars = set(_bars(sound))
    other = [bar for bar in _bars(reading.bars) if bar not in known_bars]
    if not other:
        return "same"
    found = check(path, today=dt.date(2100, 1, 1))
    named = {(f.symbol, f.date) for f in found}
    noted = any(
        told in note for note in reading.notes for told in (NO_VOLUME, CLOSES_ONLY)
    )
    whole = noted or any(f.row is None for f in found)
    unnamed = [bar for bar in other if not whole and bar[:2] not in named]
    if not unnamed:
        return "named"
    lines = _lines(path.read_bytes(), template)
    return "written" if all(_stands(bar, lines) for bar in unnamed) else "silent"


def _bars(bars: Bars) -> list[tuple[object, ...]]:
    days = bars.dates.astype(str).tolist()
    names = [bars.symbols[at] for at in bars.symbol_ids]
    return [
        (name, day, *values)
        for name, day, values in zip(names, days, bars.values.tolist(), strict=True)
    ]


def _lines(raw: bytes, template: Template) -> list[tuple[str, list[float]]]:
    # The second parser: each line with the numbers that its cells may be.
    lines = []
    for page in ("utf-8", "cp949", "cp1252", "utf-16", "shift_jis"):
        for line in re.split(r"[\r\n]", raw.decode(page, errors="replace")):
            for cells in _cells(line, template):
                numbers = [x for cell in cells for x in _numbers(cell, template)]
                lines.append((line, numbers))
    return lines


def _cells(line: str, template: Template) -> list[list[str]]:
    marks = sorted({template.delimiter, *",;\t|"})
    return [next(csv.reader([line], delimiter=mark), []) for mark in marks]


def _numbers(cell: str, template: Template) -> list[float]:
    text = cell.strip(' "$')
    scale = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1:].upper(), 1.0)
    text = text[:-1] if scale != 1 else text
    groups, point = (".", ",") if template.comma else (",", ".")
    text = re.sub(rf"(?<=\d)[{groups} '](?=\d{{3}})", "", text).replace(point, ".")
    try:
        return [round(float(text) * scale, 6)]
    except ValueError:
        return []


def _stands(bar: tuple[object, ...], lines: list[tuple[str, list[float]]]) -> bool:
    _, day, *values = bar
    date = dt.date.fromisoformat(str(day))
    wanted = [round(float(str(value)), 6) for value in values]
    return any(
        _has_date(line, date) and all(value in numbers for value in wanted)
        for line, numbers in lines
    )


def _has_date(line: str, day: dt.date) -> bool:
    numbers = set(re.findall(r"\d+", line))
    parts = {str(day.year), str(day.day), f"{day:%d}"}
    month = {str(day.month), f"{day:%m}"} & numbers or MONTHS[day.month - 1] in line
    start = _epoch(day)
    epochs = (int(n) for n in numbers if len(n) in {12, 13})
    return (
        f"{day:%Y%m%d}" in numbers
        or bool(month and str(day.year) in numbers and parts & numbers)
        or any(start <= n < start + 86_400_000 for n in epochs)
    )


def run(files: int, seed: int) -> dict[str, dict[str, int]]:
    """Damage files and count how they end, by mutation."""
    rng = random.Random(seed)  # noqa: S311  no secret
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            name = rng.choice(sorted(TEMPLATES))
            template = TEMPLATES[name]
            text = template.header + "".join(
                template.row(r) + "\n" for r in rows_of(rng)
            )
            path = Path(folder) / "A.csv"
            path.write_bytes(text.encode(template.page))
            sound = read_bars(path).bars
            mutation = MUTATIONS[number % len(MUTATIONS)]
            path.write_bytes(mutation(path.read_bytes(), rng, template) or b"\n")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                ended = outcome(path, sound, template)
            if ended.startswith("crash") or ended == "silent":
                kept = Path(tempfile.gettempdir()) / f"closecast-{seed}-{number}.csv"
                kept.write_bytes(path.read_bytes())
                print(f"{name}, {mutation.__name__}: {ended} ({kept})", file=sys.stderr)
            counts[mutation.__name__][ended.split(":")[0]] += 1
    return {name: dict(sorted(count.items())) for name, count in counts.items()}


def main() -> None:
    """Damage files and write down how they ended."""
    from machine import ROOT, publish

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    np.seterr(all="raise", under="ignore")
    by_mutation = run(arguments.files, arguments.seed)
    total: collections.Counter[str] = collections.Counter()
    for count in by_mutation.values():
        total.update(count)
    result = {
        "files": arguments.files,
        "total": dict(sorted(total.items())),
        "crashes": total["crash"],
        "silent": total["silent"],
        "by_mutation": by_mutation,
    }
    target = ROOT / "benchmarks" / "results" / "mutated_files.json"
    publish(result, target)


if __name__ == "__main__":
    main()
