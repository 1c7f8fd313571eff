"""A run copied to where others look at experiments: MLflow or TensorBoard.

The run folder is the truth and is only read; what is copied can be copied again
without being there twice. Nothing is sent while a model trains: a tracker that is down
costs no training.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closecast.errors import ModelError, SettingError
from closecast.experiments.members import MEMBER, MEMBERS
from closecast.experiments.run import read_json
from closecast.models.config import require_choice
from closecast.training.checkpoint import METRICS, MODEL

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

TRACKERS = ("mlflow", "tensorboard")

EXPERIMENT = "closecast"
"""Name of the experiment in MLflow."""

KEY = "closecast.model"
"""Tag that says which model a run in MLflow is a copy of."""

BATCH = 1000
"""Metrics that MLflow takes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedModel:
    """One model of a run, in plain values.

    Attributes:
        name: What the run calls it.
        key: The same for the same settings on the same prices.
        settings: All its settings.
        losses: Training and validation loss of each epoch.
        scores: Figures of the whole training, by name.
        trained_at: When its losses were written, seconds since 1970.
    """

    name: str
    key: str
    settings: Mapping[str, Any]
    losses: tuple[Mapping[str, float], ...]
    scores: Mapping[str, float]
    trained_at: float


def track(folder: str | Path, tracker: str, uri: str) -> int:
    """Copy the models of a run to a tracker.

    Args:
        folder: A run folder: of a sweep, a search or one model.
        tracker: ``"mlflow"`` or ``"tensorboard"``.
        uri: MLflow's tracking URI, or the folder that TensorBoard reads.

    Returns:
        Models that were copied; those that are there already are not.

    Raises:
        ModelError: The folder is no run, or damaged.
        SettingError: The tracker is unknown, not installed, or does not answer.
    """
    require_choice("tracker", tracker, TRACKERS)
    home = Path(folder)
    models = list(_models(home))
    with _installed(tracker):
        if tracker == "mlflow":
            return _to_mlflow(models, home.resolve().name, uri)
        return _to_tensorboard(models, home.resolve().name, Path(uri))


def _models(home: Path) -> Iterator[TrackedModel]:
    members = sorted((home / MEMBERS).glob(f"*/{MEMBER}"))
    for path in members:
        result = read_json(path)
        if result["diverged"] is None:
            scores = ("validation_loss", "train_crps", "validation_crps", "best_epoch")
            yield _model(path.parent, result["name"], {n: result[n] for n in scores})
    if not members:
        yield _model(home / "model", "model", {})


def _model(home: Path, name: str, scores: Mapping[str, float]) -> TrackedModel:
    path = home / METRICS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        losses = [json.loads(line) for line in lines]
        trained_at = path.stat().st_mtime
    except (OSError, ValueError) as error:
        raise ModelError(
            f"Expected the losses of a model, got none that can be read ({path}: "
            f"{error}). Give the folder that a run was written to."
        ) from error
    document = read_json(home / MODEL)
    prices, settings = document["trained_on"]["fingerprint"], document["settings_hash"]
    return TrackedModel(
        name=name,
        key=f"{prices[:16]}/{settings[:16]}",
        settings=document["settings"],
        losses=tuple(
            {part: one[part] for part in ("train_loss", "validation_loss")}
            for one in losses
        ),
        scores=scores,
        trained_at=trained_at,
    )


def _to_mlflow(models: list[TrackedModel], run: str, uri: str) -> int:
    from mlflow.entities import RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        place = found.experiment_id if found else client.create_experiment(EXPERIMENT)
        there = _keys(client, place)
        fresh = [one for one in models if one.key not in there]
        for model in fresh:
            own = client.create_run(place, run_name=f"{run}: {model.name}").info.run_id
            _log(client, own, model)
            # the key last: a copy that was cut off is made again
            client.log_batch(own, tags=[RunTag(KEY, model.key)])
            client.set_terminated(own)
    except MlflowException as error:
        raise SettingError(
            f"Expected an MLflow tracking URI that answers, got {error} ({uri}). Give "
            "one such as http://127.0.0.1:5000 or sqlite:///mlflow.db."
        ) from error
    return len(fresh)


def _keys(client: "MlflowClient", place: str) -> set[str]:
    keys, token = set[str](), None
    while True:
        page = client.search_runs([place], page_token=token)
        keys |= {one.data.tags[KEY] for one in page if KEY in one.data.tags}
        token = page.token
        if not token:
            return keys


def _log(client: "MlflowClient", own: str, model: TrackedModel) -> None:
    from mlflow.entities import Metric, Param

    when = int(1000 * model.trained_at)
    metrics = [
        Metric(part, value, when, epoch)
        for epoch, losses in enumerate(model.losses, start=1)
        for part, value in losses.items()
    ] + [Metric(f"kept_{name}", v, when, 0) for name, v in model.scores.items()]
    client.log_batch(own, params=[Param(n, str(v)) for n, v in model.settings.items()])
    for at in range(0, len(metrics), BATCH):
        client.log_batch(own, metrics=metrics[at : at + BATCH])


def _to_tensorboard(models: list[TrackedModel], run: str, logs: Path) -> int:
    from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
    from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
    from tensorboard.summary.writer.event_file_writer import (  # type: ignore[import-untyped]
        EventFileWriter,
    )

    places = [(one, logs / run / one.name) for one in models]
    fresh = [(one, place) for one, place in places if not place.exists()]
    for model, place in fresh:
        draft = place.with_name(f".{place.name}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        writer = EventFileWriter(str(draft))
        for epoch, losses in enumerate(model.losses, start=1):
            values = [
                Summary.Value(tag=f"loss/{part}", simple_value=value)
                for part, value in losses.items()
            ]
            summary = Summary(value=values)
            writer.add_event(
                Event(step=epoch, wall_time=model.trained_at, summary=summary)
            )
        writer.close()
        draft.rename(place)  # whole or not at all
    return len(fresh)


@contextmanager
def _installed(tracker: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != tracker:
            raise
        raise SettingError(
            f"Expected {tracker} to copy a run to, got none installed. Install "
            "closecast[track]."
        ) from error
