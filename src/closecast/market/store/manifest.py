"""The manifest: which files are the store. To swap it is to commit.

A file that it does not name is not there, whatever the folder holds: a writer that
was killed leaves such files, and the next one removes them.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from closecast.durable import write_durably
from closecast.errors import StoreError
from closecast.market.store.parquet import FileEntry, damaged

NAME = "MANIFEST.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One state of the store.

    Attributes:
        generation: Number of the state; also of the batch that led to it.
        content_hash: Of all bars and factors, see ``SymbolTable.content_hash``.
        files: Parquet files of rows.
        symbols: Name of the file with the table of symbols; empty without one.
        symbols_sha256: Of its bytes.
        provenance: Hash of where all rows came from, see ``Metadata.provenance``;
            empty in a store of before it was kept.
    """

    generation: int = 0
    content_hash: str = ""
    files: tuple[FileEntry, ...] = ()
    symbols: str = ""
    symbols_sha256: str = ""
    provenance: str = ""

    @property
    def rows(self) -> int:
        """Rows in all files, versions that were replaced included."""
        return sum(entry.rows for entry in self.files)

    @property
    def names(self) -> set[str]:
        """Names of all Parquet files."""
        return {entry.name for entry in self.files} | {self.symbols} - {""}


def save(folder: Path, manifest: Manifest) -> None:
    """Make a manifest the one that counts.

    Args:
        folder: The store.
        manifest: Its next state; all files that it names are durable.
    """
    document = {"format": FORMAT, **asdict(manifest)}
    text = _canonical(document)
    document["sha256"] = hashlib.sha256(text).hexdigest()
    write_durably(folder / NAME, _canonical(document))


def load(folder: Path) -> Manifest:
    """Read the manifest.

    Args:
        folder: The store.

    Returns:
        The state that was committed last.

    Raises:
        StoreError: It is damaged, or of a later version.
        FileNotFoundError: There is none.
    """  # noqa: DOC501
    path = folder / NAME
    content = path.read_bytes()
    try:
        document = json.loads(content)
        claimed = document.pop("sha256")
        known = document.pop("format")
    except (ValueError, KeyError, AttributeError) as error:
        raise damaged(path, "no manifest of a store") from error
    unsigned = {"format": known, **document}
    whole = _canonical({**unsigned, "sha256": claimed}) == content
    if not whole or hashlib.sha256(_canonical(unsigned)).hexdigest() != claimed:
        raise damaged(path, "other bytes than those that were written")
    if known != FORMAT:
        raise StoreError(
            f"Expected a store of format {FORMAT}, got {known} ({path}). Use the "
            "version of closecast that wrote it."
        )
    document["files"] = tuple(
        FileEntry(**{**entry, "groups": tuple(entry["groups"])})
        for entry in document["files"]
    )
    return Manifest(**document)


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
