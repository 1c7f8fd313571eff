"""A trained model as a folder: safetensors and JSON, checked before it is believed.

``model.safetensors`` holds the weights, ``metrics.jsonl`` one line an epoch and
``model.json`` the rest with the SHA-256 of all three and of what was saved beside them.
The networks of further seeds lie as folders of the same kind in ``siblings/``. Nothing
is ever unpickled.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from closecast.durable import flush_folder, stage, write_durably
from closecast.engine.fleet import LearningCurve
from closecast.errors import ClosecastError, ModelError, SettingError
from closecast.models.config import Weights, weight_shapes
from closecast.training.model import TrainedModel
from closecast.training.settings import Settings
from closecast.windows.peers import NUM_MARKETS

FORMAT, ENSEMBLE_FORMAT = 1, 2
"""One network, and one with siblings: an older version refuses the second."""

SIBLINGS, BESIDE = "siblings", "beside"
WEIGHTS, METRICS, MODEL = "model.safetensors", "metrics.jsonl", "model.json"

SHA256_LENGTH = 64
"""Hexadecimal digits of a SHA-256."""


def save(
    model: TrainedModel,
    folder: Path | str,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> Path:
    """Write a model into a folder, whole or not at all.

    Each file is written aside, under a name with its hash, and flushed to the disk.
    Then ``model.json`` is replaced: from that moment the folder is the new model,
    before it the old one. At last the files take their plain names; where a crash came
    between, ``load`` does it.

    Args:
        model: The model.
        folder: Where to; made if it is not there.
        beside: Further files that belong to the model, by name.

    Returns:
        The folder.
    """
    folder = Path(folder)
    asides: dict[Path, Path] = {}
    try:
        document = _staged(model, folder, beside, asides)
    except BaseException:
        for aside in asides:
            aside.unlink(missing_ok=True)
        raise
    write_durably(folder / MODEL, document)
    for aside, path in asides.items():
        aside.replace(path)
    for place in {folder, *(path.parent for path in asides.values())}:
        _drop_strays(place)
        flush_folder(place)
    return folder


def _staged(
    model: TrainedModel,
    folder: Path,
    beside: Mapping[str, bytes],
    asides: dict[Path, Path],
) -> bytes:
    # Everything but the record is on the disk, aside; gives the record.
    from safetensors.numpy import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    weights = to_bytes(dict(model.weights))
    metrics = _metrics_bytes(model.curve)
    document = _document(model, weights, metrics)
    contents = {WEIGHTS: weights, METRICS: metrics, **beside}
    if model.siblings:
        document["format"] = ENSEMBLE_FORMAT
        records = {
            f"seed_{sibling.settings.seed}": _staged(
                sibling,
                folder / SIBLINGS / f"seed_{sibling.settings.seed}",
                MappingProxyType({}),
                asides,
            )
            for sibling in model.siblings
        }
        document[SIBLINGS] = {name: _sha256(one) for name, one in records.items()}
        contents |= {f"{SIBLINGS}/{n}/{MODEL}": one for n, one in records.items()}
    if beside:
        document[BESIDE] = {name: _sha256(beside[name]) for name in sorted(beside)}
    document["sha256"] = _sha256(_canonical(document))
    for name, content in contents.items():
        path = folder / name
        aside = _aside(path, _sha256(content))
        asides[aside] = path
        stage(aside, content)
    for place in {(folder / name).parent for name in contents}:
        flush_folder(place)
    return _text(document)


def _aside(path: Path, sha256: str) -> Path:
    return path.with_name(f".{path.name}.{sha256[:16]}")


def _drop_strays(folder: Path) -> None:
    # what a save has left that was cut off before its record was written
    for path in folder.glob(f".*.{'[0-9a-f]' * 16}"):
        path.unlink(missing_ok=True)


def load(folder: Path | str) -> TrainedModel:
    """Read a model from a folder.

    Args:
        folder: Where ``save`` wrote it.

    Returns:
        The same model.

    Raises:
        ModelError: A file is missing or damaged, or of another format.
    """  # noqa: DOC501  a ClosecastError here is a ModelError
    folder = Path(folder)
    document = _read_document(folder)
    try:
        return _loaded(folder, document)
    except ClosecastError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"Expected a model's record, got one that lacks or mistakes a part "
            f"({folder / MODEL}: {error!r}). Train the model again."
        ) from error


def saved_beside(folder: Path) -> tuple[str, ...]:
    """Name the files that were saved with a model.

    Args:
        folder: Where ``save`` wrote it.

    Returns:
        Names of ``beside``.

    Raises:
        ModelError: The record is missing or damaged.
    """
    return tuple(_read_document(folder).get(BESIDE, {}))


def _loaded(folder: Path, document: Mapping[str, Any]) -> TrainedModel:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    for name, stated in document.get(BESIDE, {}).items():
        _read_checked(folder / _plain_name(name, folder), stated)
    weights = _read_checked(folder / WEIGHTS, document["weights_sha256"])
    metrics = _read_checked(folder / METRICS, document["metrics_sha256"])
    try:
        settings = Settings.of(document["settings"])
    except SettingError as error:
        raise ModelError(
            f"Expected settings that this version knows, got others ({folder / MODEL}: "
            f"{error}). Use the version of closecast that wrote the model."
        ) from error
    steps = (settings.horizon,)
    by_market = (NUM_MARKETS, settings.horizon)
    try:
        arrays = from_bytes(weights)
    except SafetensorError as error:  # forged: its hash fits
        raise ValueError(f"{WEIGHTS}: {error}") from error
    return TrainedModel(
        settings=settings,
        weights=_checked_shapes(arrays, settings, folder / WEIGHTS),
        curve=_curve(metrics, document["best_epoch"]),
        residual_scale=_array(document["residual_scale"], steps),
        trained_on=document["trained_on"],
        mean_share=_array(document.get("mean_share"), by_market),
        stretch=_array(document.get("stretch"), by_market),
        siblings=_siblings(folder / SIBLINGS, document.get(SIBLINGS, {})),
    )


def _siblings(folder: Path, sha256: Mapping[str, str]) -> tuple[TrainedModel, ...]:
    for name, stated in sha256.items():
        _read_checked(folder / _plain_name(name, folder) / MODEL, stated)
    return tuple(load(folder / name) for name in sha256)


def _document(model: TrainedModel, weights: bytes, metrics: bytes) -> dict[str, Any]:
    scale, share, stretch = model.residual_scale, model.mean_share, model.stretch
    return {
        "format": FORMAT,
        "settings": model.settings.to_dict(),
        "settings_hash": model.settings.hash,
        "trained_on": model.trained_on,
        "residual_scale": None if scale is None else scale.tolist(),
        "mean_share": None if share is None else share.tolist(),
        "stretch": None if stretch is None else stretch.tolist(),
        "best_epoch": model.curve.best_epoch,
        "versions": versions(),
        "weights_sha256": _sha256(weights),
        "metrics_sha256": _sha256(metrics),
    }


def versions() -> dict[str, str]:
    """Say what a training's numbers depend on.

    Returns:
        Version of Python, closecast, numpy and torch.
    """
    named = {name: _installed(name) for name in ("closecast", "numpy", "torch")}
    return {"python": platform.python_version(), **named}


@cache
def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _metrics_bytes(curve: LearningCurve) -> bytes:
    lines = [
        json.dumps({"epoch": epoch, "train_loss": train, "validation_loss": validation})
        for epoch, (train, validation) in enumerate(
            zip(curve.train_loss, curve.validation_loss, strict=True), start=1
        )
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _curve(metrics: bytes, best_epoch: int) -> LearningCurve:
    epochs = [json.loads(line) for line in metrics.decode().splitlines()]
    if best_epoch not in range(len(epochs) + 1):
        raise ValueError(f"best epoch {best_epoch!r} of {len(epochs)}")
    return LearningCurve(
        train_loss=tuple(epoch["train_loss"] for epoch in epochs),
        validation_loss=tuple(epoch["validation_loss"] for epoch in epochs),
        best_epoch=best_epoch,
    )


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / MODEL
    content = _read(path)
    try:
        document = json.loads(content)
    except ValueError as error:  # not JSON, or not UTF-8
        raise _damaged(path) from error
    stated = document.get("sha256") if isinstance(document, dict) else None
    if stated is None or _text(document) != content:
        raise _damaged(path)
    del document["sha256"]
    if stated != _sha256(_canonical(document)):
        raise _damaged(path)
    if document.get("format") not in (FORMAT, ENSEMBLE_FORMAT):
        raise ModelError(
            f"Expected a model of format {FORMAT} or {ENSEMBLE_FORMAT}, got "
            f"{document.get('format')} ({path}). Use the version of closecast that "
            "wrote it."
        )
    return dict(document)


def _checked_shapes(weights: Weights, settings: Settings, path: Path) -> Weights:
    expected = weight_shapes(settings.network)
    found = {name: array.shape for name, array in weights.items()}
    sound = all(
        a.dtype == np.float32 and np.isfinite(a).all() for a in weights.values()
    )
    if found != expected or not sound:
        raise ModelError(
            f"Expected the arrays of these settings, got others ({path}). "
            "Train the model again."
        )
    return weights


def _array(values: Any, shape: tuple[int, ...]) -> np.ndarray | None:  # noqa: ANN401
    if values is None:
        return None
    array = np.asarray(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"an array of {array.shape} for one of {shape}")
    return array


def _read_checked(path: Path, sha256: str) -> bytes:
    aside = _aside(path, sha256) if len(str(sha256)) == SHA256_LENGTH else None
    if aside is not None and aside.is_file() and _sha256(_read(aside)) == sha256:
        _settle(aside, path)  # a save was cut off after its record was written
    content = _read(path)
    if _sha256(content) != sha256:
        raise _damaged(path)
    return content


def _settle(aside: Path, path: Path) -> None:
    try:
        aside.replace(path)
    except FileNotFoundError:  # its writer, or another reader, was faster
        return
    except OSError as error:
        raise ModelError(
            f"Expected a folder in which a save that was cut off can be ended, got: "
            f"{error.strerror} ({path.parent}). Make it writable, or copy it."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"Expected a model's file, got none that can be read ({path}: "
            f"{error.strerror}). Give the folder that a model was saved in."
        ) from error


def _plain_name(name: str, folder: Path) -> str:
    # A model that a stranger made names files of its own folder alone.
    if not name or Path(name).name != name:
        raise ModelError(
            f"Expected the name of a file in the model's folder, got {name!r} "
            f"({folder}). Do not use this model."
        )
    return name


def _damaged(path: Path) -> ModelError:
    return ModelError(
        f"Expected a file as it was saved, got another content ({path}). "
        "Restore it or train the model again."
    )


def _text(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


def _canonical(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
