"""A run is copied to trackers once, with every loss, and itself stays as it is."""

import pytest

import closecast as cc
from closecast.errors import ModelError, SettingError
from closecast.experiments import tracking
from closecast.experiments.tracking import track
from closecast.testing import random_walk
from closecast.training.checkpoint import load

QUICK = {"hidden_size": 4, "epochs": 2, "batch_size": 32}

# of SQLAlchemy, about how MLflow uses it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A sweep of two members."""
    folder = tmp_path_factory.mktemp("tracking")
    cc.sweep(random_walk(2, 260), {"dropout": [0.0, 0.3]}, seeds=1,
             out=folder / "run", index=folder / "i", **QUICK)  # fmt: skip
    return folder / "run"


def tree(folder):
    """Read every file of a folder."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_mlflow_gets_every_loss_once(run, tmp_path):
    """Settings, losses by epoch and scores; a second copy adds nothing."""
    from mlflow.tracking import MlflowClient

    uri, before = f"sqlite:///{tmp_path / 'm.db'}", tree(run)

    assert track(run, "mlflow", uri) == 2
    assert track(run, "mlflow", uri) == 0

    client = MlflowClient(tracking_uri=uri)
    place = client.get_experiment_by_name("closecast").experiment_id
    copies = client.search_runs([place])
    assert len(copies) == 2
    for copy in copies:
        dropout = copy.data.params["dropout"]
        model = load(run / "members" / f"dropout={dropout},seed=0")
        history = client.get_metric_history(copy.info.run_id, "validation_loss")
        assert tuple(one.value for one in history) == model.curve.validation_loss
        assert [one.step for one in history] == [1, 2]
        assert copy.data.metrics["kept_best_epoch"] == model.curve.best_epoch
        assert copy.info.status == "FINISHED"
    assert tree(run) == before


def test_a_copy_that_was_cut_off_is_made_again(run, tmp_path, monkeypatch):
    """A model without its key in MLflow is not taken for a copy."""
    uri, log = f"sqlite:///{tmp_path / 'm.db'}", tracking._log

    def cut_off(client, own, model):
        log(client, own, model)
        raise KeyboardInterrupt

    monkeypatch.setattr(tracking, "_log", cut_off)
    with pytest.raises(KeyboardInterrupt):
        track(run, "mlflow", uri)
    monkeypatch.undo()

    assert track(run, "mlflow", uri) == 2


def test_tensorboard_reads_every_loss(run, tmp_path):
    """A folder for each member, each loss at its epoch."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert track(run, "tensorboard", str(tmp_path)) == 2
    assert track(run, "tensorboard", str(tmp_path)) == 0

    for name in ("dropout=0.0,seed=0", "dropout=0.3,seed=0"):
        events = EventAccumulator(str(tmp_path / "run" / name))
        events.Reload()
        curve = load(run / "members" / name).curve
        for part in ("train_loss", "validation_loss"):
            told = events.Scalars(f"loss/{part}")
            assert [one.step for one in told] == [1, 2]
            assert [one.value for one in told] == pytest.approx(getattr(curve, part))


def test_a_run_of_one_model_is_copied_too(run, tmp_path):
    """What `evaluate --out` writes has one model."""
    single = tmp_path / "single"
    single.mkdir()
    (run / "members" / "dropout=0.0,seed=0").rename(single / "model")

    assert track(single, "tensorboard", str(tmp_path / "logs")) == 1
    (single / "model").rename(run / "members" / "dropout=0.0,seed=0")


@pytest.mark.parametrize(
    ("tracker", "uri", "words"),
    [
        ("wandb", "x", "Expected tracker to be one of mlflow, tensorboard"),
        ("mlflow", "nowhere://x", "Expected an MLflow tracking URI that answers"),
    ],
)
def test_what_cannot_be_copied_to_is_refused(run, tracker, uri, words):
    """With what was expected instead."""
    with pytest.raises(SettingError, match=words):
        track(run, tracker, uri)


def test_a_folder_without_models_is_refused(tmp_path):
    """Nothing is copied from what is no run."""
    with pytest.raises(ModelError, match="Expected the losses of a model, got none"):
        track(tmp_path, "tensorboard", str(tmp_path / "logs"))


def test_a_tracker_that_is_not_installed_names_the_extra(run, monkeypatch):
    """The error says what to install."""
    import builtins

    real = builtins.__import__

    def missing(name, *rest):
        if name.startswith("mlflow"):
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SettingError, match=r"Install closecast\[track\]"):
        track(run, "mlflow", "sqlite://")
