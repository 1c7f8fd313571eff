"""From the bytes of a file to its text: packed or not, in whatever code page.

A code page is taken only if the whole file can be read in it; among several, the
one in which the header names its columns.
"""

import codecs
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from closecast.market.findings import TableError
from closecast.market.readers.format import roles_in
from closecast.market.readers.formats import DEEPEST
from closecast.market.readers.raw import about

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = (";", "\t", "|", ",")

_SAMPLE = 20_000
_NARROW_PAGES = ("cp949", "shift_jis", "gb18030", "cp1252")
_WIDE_PAGES = ("utf-16-le", "utf-16-be")

_DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError,
    ValueError, OverflowError,
)  # fmt: skip
"""What the standard library raises over an archive that lies about itself."""


def unpacked(path: Path, content: bytes) -> tuple[str, bytes]:
    """Take the one table out of a packed file.

    Args:
        path: Its path.
        content: Its bytes.

    Returns:
        Name and bytes of the table; those of the file if it is not packed.

    Raises:
        TableError: It is damaged, or holds another number of tables.
    """
    if content[:2] == b"\x1f\x8b":
        name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
        return name, _gunzipped(path, content)
    if content[:4] == b"PK\x03\x04" and path.name.lower().endswith(".zip"):
        return _unzipped(path, content)
    return path.name.removesuffix(".gz"), content


def _gunzipped(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(
            about(path, "Expected a gzip file, got a damaged one", "Fetch it again.")
        ) from error


def _unzipped(path: Path, content: bytes) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            tables = [
                name
                for name in archive.namelist()
                if name.lower().endswith(TEXT_SUFFIXES)
                and not name.startswith("__MACOSX")
            ]
            if len(tables) == 1:
                return Path(tables[0]).name, archive.read(tables[0])
    except _DAMAGED_ZIP as error:
        raise TableError(
            about(path, "Expected a zip file, got a damaged one", "Fetch it again.")
        ) from error
    except (RuntimeError, NotImplementedError) as error:
        raise TableError(
            about(
                path,
                "Expected a zip file without a password, got one that cannot be opened",
                "Unpack it.",
            )
        ) from error
    raise TableError(
        about(
            path,
            f"Expected a zip file with one table, got {len(tables)}",
            "Unpack it and read the folder.",
        )
    )


def decoded(path: Path, plain: bytes) -> str:
    """Turn bytes into text.

    Args:
        path: Where they come from.
        plain: UTF-8, UTF-16, or a code page of Korea, Japan, China or western Europe.

    Returns:
        The text.

    Raises:
        TableError: They are no text, or of an unknown code page.
    """
    read: list[str] = []
    for text, certain in _readings(plain):
        if certain:
            return text
        read.append(text)
    best = max(read, key=_columns_named, default="")
    if best and (_columns_named(best) or not _only_in_europe(plain)):
        return best
    raise TableError(
        about(
            path,
            "Expected text in UTF-8 or CP949, got other bytes",
            "Export it as CSV in UTF-8.",
        )
    )


def _readings(plain: bytes) -> Iterator[tuple[str, bool]]:
    # The text in each code page that fits, and whether none can fit better.
    wide = plain[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    bare = _WIDE_PAGES if b"\0" in plain else ("utf-8-sig", *_NARROW_PAGES)
    for page in ("utf-16",) if wide else bare:
        try:
            text = plain.decode(page)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            yield text, page in {"utf-16", "utf-8-sig"}


def _only_in_europe(plain: bytes) -> bool:
    # CP1252 fits nearly all bytes, so that it proves nothing by itself.
    try:
        plain.decode("cp949")
    except UnicodeDecodeError:
        return True
    return b"\0" in plain


def _columns_named(text: str) -> int:
    # How many columns its header names, if it has one.
    most = 0
    for line in text[:_SAMPLE].splitlines()[:DEEPEST]:
        cells = next((line.split(d) for d in DELIMITERS if d in line), [])
        roles = roles_in([cell.strip('" ') for cell in cells])
        most = max(most, len(roles) if {"date", "close"} <= roles else 0)
    return most
