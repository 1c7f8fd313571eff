"""Receipts: where the chain ended, written beside the ledger after each recording.

A chain shows what was changed inside it, not what was cut off at its end. A receipt
does: whoever keeps one can demand the row that it names. Keep copies where the ledger's
owner cannot write; each notice of the daily job carries one.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from closecast.durable import flush_folder
from closecast.errors import LedgerError
from closecast.serving.ledger.chain import Head


def append_receipt(path: Path, head: Head) -> None:
    """Write down where a chain ends, unless that was the last thing written.

    Args:
        path: The file, one JSON line a receipt.
        head: Where the chain ends.
    """
    if any(receipt == head for receipt in list(read_receipts(path))[-1:]):
        return
    values = {"ledger": head.ledger, "number": head.number, "hash": head.hash}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")
        file.flush()
        os.fsync(file.fileno())
    flush_folder(path.parent)


def read_receipts(path: Path) -> Iterator[Head]:
    """Read receipts, oldest first.

    Args:
        path: The file; none is no receipt.

    Yields:
        What each says. A last line that a crash cut off is passed over.

    Raises:
        LedgerError: Another line is no receipt.
    """
    if not path.is_file():
        return
    *lines, rest = path.read_bytes().split(b"\n")
    if _receipt(rest) or _receipt(rest[:-1]):  # whole, but for the end of the line
        lines.append(rest)
    for number, line in enumerate(lines, start=1):
        receipt = _receipt(line)
        if receipt is None:
            shown = line.decode("utf-8", "replace").strip()[:60]
            raise LedgerError(
                f"Expected a receipt a line, got {shown!r} ({path}, line {number}). "
                "Restore the file from a copy."
            )
        yield receipt


def _receipt(line: bytes) -> Head | None:
    try:
        values = json.loads(line)
        return Head(
            ledger=values["ledger"], number=values["number"], hash=values["hash"]
        )
    except (ValueError, TypeError, KeyError):  # no JSON, or none of a receipt
        return None
