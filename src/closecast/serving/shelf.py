"""The model shelf: versions of a model, which one serves, and the reason for it.

A version is a copy that never changes, with the SHA-256 of each of its files in a
manifest, whose own SHA-256 stands in the shelf's log. All are checked before a model
is loaded: what serves is what was put there. Nothing is deleted here.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closecast import __version__
from closecast.durable import flush_folder, flush_tree, write_durably
from closecast.errors import IntegrityError, ModelError, SettingError
from closecast.serving import shelf_log
from closecast.serving.shelf_log import Entry
from closecast.training.checkpoint import MODEL

if TYPE_CHECKING:
    from closecast.experiments.forecaster import Forecaster

VARIABLE = "CLOSECAST_SHELF"
"""Environment variable that names the shelf's folder."""

LOG, VERSIONS, MANIFEST = "log.jsonl", "versions", "manifest.json"
SCOREBOARD, SWEEP, ONNX = "scoreboard.json", "sweep.json", "model.onnx"

FORMAT = 1
LOCK_S = 10.0
"""Seconds to wait for another process that changes the shelf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A model on the shelf.

    Attributes:
        number: Its number, from 1.
        folder: Where it lies: ``model/``, ``manifest.json`` and, where it was judged,
            ``scoreboard.json``.
        manifest: What ``manifest.json`` says.
    """

    number: int
    folder: Path
    manifest: dict[str, Any]

    @property
    def model_hash(self) -> str:
        """SHA-256 that stands for the model's content."""
        return str(self.manifest["model_hash"])

    def scoreboard(self) -> dict[str, Any] | None:
        """Read what the model was judged to be worth.

        Returns:
            What ``scoreboard.json`` says; None for a model that was not judged.
        """
        path = self.folder / SCOREBOARD
        if not path.exists():
            return None
        return dict(json.loads(path.read_text(encoding="utf-8")))


def default_shelf() -> Path:
    """Say where the shelf lies unless told otherwise.

    Returns:
        ``CLOSECAST_SHELF`` if it is set, else a folder of this user's data.
    """
    from platformdirs import user_data_path

    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_data_path("closecast", False) / "shelf"  # noqa: FBT003


class Shelf:
    """Versions of a model in a folder.

    Args:
        path: The folder; made by the first ``add``. By default ``default_shelf()``.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = default_shelf() if path is None else Path(path)

    def log(self) -> list[Entry]:
        """Read what was done, oldest first.

        Returns:
            Every entry.

        Raises:
            IntegrityError: The log is not as it was written.
        """
        return shelf_log.read(self.path / LOG)

    def add(self, source: str | Path, *, reason: str, onnx: bool = False) -> Version:
        """Copy a model onto the shelf. It does not serve before ``promote``.

        Args:
            source: A model folder, or a run with one: then its scoreboard comes along.
            reason: Why it is here.
            onnx: Whether to keep the model as ONNX too, to be served by ONNX Runtime.

        Returns:
            The new version.

        Raises:
            ModelError: There is no model that can be loaded.
            SettingError: There is no reason, or another process holds the shelf.
            IntegrityError: The shelf's log is damaged.
            MissingExtraError: ``onnx`` is asked for and not installed.
        """
        reason = _said(reason)
        model, board = _parts_of(Path(source))
        with self._changing() as entries:
            number = sum(entry.action == "add" for entry in entries) + 1
            made = _copied(self._folder(number), model, board, onnx=onnx)
            manifest = _manifest_of(made, number, reason, Path(source).resolve().name)
            content = (json.dumps(manifest, indent=2) + "\n").encode()
            write_durably(made / MANIFEST, content)
            flush_tree(made)
            made.replace(self._folder(number))
            flush_folder(made.parent)
            _log(self, entries, "add", number, reason, _sha256(content))
        return Version(number=number, folder=self._folder(number), manifest=manifest)

    def promote(self, number: int, *, reason: str) -> Version:
        """Let a version serve.

        Args:
            number: The version.
            reason: Why.

        Returns:
            The version.

        Raises:
            ModelError: There is no such version, or it serves already.
            SettingError: There is no reason, or another process holds the shelf.
            IntegrityError: The version or the log is not as it was written.
        """
        reason = _said(reason)
        with self._changing() as entries:
            version = self._checked(number, entries)
            if _serving(entries)[-1:] == [number]:
                raise ModelError(
                    f"Expected a version that does not serve yet, got {number}, which "
                    f"does ({self.path}). Nothing is to be done."
                )
            _log(self, entries, "promote", number, reason)
        return version

    def rollback(self, *, reason: str) -> Version:
        """Let the version serve that served before the present one.

        Args:
            reason: Why.

        Returns:
            That version.

        Raises:
            ModelError: None served before.
            SettingError: There is no reason, or another process holds the shelf.
            IntegrityError: The version or the log is not as it was written.
        """
        reason = _said(reason)
        with self._changing() as entries:
            serving = _serving(entries)
            if len(serving) < 2:  # noqa: PLR2004  the present one and one before
                raise ModelError(
                    f"Expected a version that served before, got none ({self.path}). "
                    "Promote another version."
                )
            version = self._checked(serving[-2], entries)
            _log(self, entries, "rollback", version.number, reason)
        return version

    def versions(self) -> list[Version]:
        """List what is on the shelf, oldest first.

        Returns:
            Every version, its manifest checked.

        Raises:
            IntegrityError: A manifest or the log is not as it was written.
        """
        entries = self.log()
        numbers = [entry.version for entry in entries if entry.action == "add"]
        return [self._read(number, entries) for number in numbers]

    def current(self) -> Version | None:
        """Find the version that serves.

        Returns:
            It, every file checked; None where none was promoted yet.

        Raises:
            IntegrityError: A file or the log is not as it was written.
        """
        entries = self.log()
        serving = _serving(entries)
        return self._checked(serving[-1], entries) if serving else None

    def version(self, number: int) -> Version:
        """Find a version.

        Args:
            number: Its number.

        Returns:
            It, every file checked.

        Raises:
            ModelError: There is no such version.
            IntegrityError: A file or the log is not as it was written.
        """
        return self._checked(number, self.log())

    def _folder(self, number: int) -> Path:
        return self.path / VERSIONS / f"{number:04d}"

    def _read(self, number: int, entries: Sequence[Entry]) -> Version:
        stated = {e.version: e.manifest_sha256 for e in entries if e.action == "add"}
        if number not in stated:
            known = ", ".join(map(str, stated)) or "none"
            raise ModelError(
                f"Expected a version on the shelf ({known}), got {number} "
                f"({self.path}). See: closecast shelf list."
            )
        path = self._folder(number) / MANIFEST
        content = _content(path)
        if _sha256(content) != stated[number]:
            raise _damaged(path)
        return Version(
            number=number, folder=path.parent, manifest=dict(json.loads(content))
        )

    def _checked(self, number: int, entries: Sequence[Entry]) -> Version:
        version = self._read(number, entries)
        for name, stated in version.manifest["files"].items():
            if _sha256(_content(version.folder / name)) != stated:
                raise _damaged(version.folder / name)
        return version

    @contextmanager
    def _changing(self) -> Iterator[list[Entry]]:
        from filelock import FileLock, Timeout

        (self.path / VERSIONS).mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / "lock", timeout=LOCK_S):
                yield self.log()
        except Timeout as error:
            raise SettingError(
                f"Expected a shelf that no other process changes, got one in use "
                f"({self.path}). Wait for it."
            ) from error


def load(version: Version, *, onnx: bool = False) -> "Forecaster":
    """Load a version's model.

    Args:
        version: From a shelf, which has checked its files.
        onnx: Whether ONNX Runtime runs its networks.

    Returns:
        The forecaster.

    Raises:
        ModelError: This closecast does not know the model's format or settings, or
            there is no ONNX file of it.
        MissingExtraError: ONNX Runtime is asked for and not installed.
    """
    from closecast.experiments.forecaster import Forecaster

    forecaster = Forecaster.load(version.folder / "model")
    if not onnx:
        return forecaster
    from closecast.serving.onnx_model import OnnxModel

    own = OnnxModel.of(forecaster.model, version.folder / ONNX)
    return Forecaster.of_fitted(replace(forecaster.fitted, model=own))


def _log(
    shelf: Shelf,
    entries: Sequence[Entry],
    action: shelf_log.Action,
    number: int,
    reason: str,
    manifest_sha256: str = "",
) -> None:
    path = shelf.path / LOG
    shelf_log.append(path, entries, action, number, reason, manifest_sha256)


def _serving(entries: Sequence[Entry]) -> list[int]:
    # the versions that served, newest last; a rollback takes the newest away
    served: list[int] = []
    for entry in entries:
        if entry.action == "promote":
            served.append(entry.version)
        elif entry.action == "rollback":
            served.pop()
    return served


def _parts_of(source: Path) -> tuple[Path, Path | None]:
    # the model of a folder, and the scoreboard beside it
    model = source
    if (source / SWEEP).is_file():
        winner = json.loads((source / SWEEP).read_text(encoding="utf-8"))["winner"]
        model = source / "members" / winner["name"]
    elif (source / "model" / MODEL).is_file():
        model = source / "model"
    if not (model / MODEL).is_file():
        raise ModelError(
            f"Expected a model folder or a run with a model, got another ({source}). "
            "Give what closecast train, evaluate --out or sweep --out wrote."
        )
    board = source / SCOREBOARD
    return model, board if board.is_file() else None


def _copied(place: Path, model: Path, board: Path | None, *, onnx: bool) -> Path:
    from closecast.experiments.forecaster import Forecaster

    made = place.with_name(f".{place.name}.tmp")
    for left_over in (made, place):  # of a process that was killed before its log line
        shutil.rmtree(left_over, ignore_errors=True)
    shutil.copytree(model, made / "model")
    forecaster = Forecaster.load(made / "model")  # refuses what is damaged
    if board is not None:
        shutil.copyfile(board, made / SCOREBOARD)
    if onnx:
        from closecast.training.export import export_onnx

        export_onnx(forecaster.model, made / ONNX)
    return made


def _manifest_of(made: Path, number: int, reason: str, source: str) -> dict[str, Any]:
    files = {
        path.relative_to(made).as_posix(): _sha256(path.read_bytes())
        for path in sorted(made.rglob("*"))
        if path.is_file()
    }
    document = json.loads((made / "model" / MODEL).read_text(encoding="utf-8"))
    return {
        "format": FORMAT,
        "version": number,
        "added_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": reason,
        "source": source,
        "closecast": __version__,
        "model_hash": document["sha256"],
        "settings_hash": document["settings_hash"],
        "trained_on": document["trained_on"],
        "files": files,
    }


def _said(reason: str) -> str:
    said = " ".join(reason.split())
    if not said:
        raise SettingError(
            "Expected a reason, got none. Say in a sentence why: it stays in the log."
        )
    return said


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(
            f"Expected a file of the shelf, got none that can be read ({path}: "
            f"{error.strerror}). Restore it, or roll back to another version."
        ) from error


def _damaged(path: Path) -> IntegrityError:
    return IntegrityError(
        f"Expected a file as it was put on the shelf, got another content ({path}). "
        "Restore it, or roll back to another version."
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
