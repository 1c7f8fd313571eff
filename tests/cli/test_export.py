"""``closecast export`` writes a file that another program runs."""

import json

import onnxruntime
import pytest

from closecast.cli import BAD_INPUT, main
from closecast.experiments.forecaster import Forecaster
from closecast.testing import random_walk


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line and give its exit code and what it said."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["closecast", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, capsys.readouterr()

    return run


def test_a_saved_model_becomes_a_file(run, tmp_path):
    """The size is said, and the file has the model's inputs."""
    model = Forecaster(hidden_size=4, epochs=1, batch_size=32).fit(random_walk(1, 260))
    model.save(tmp_path / "model")

    path = tmp_path / "model.onnx"
    code, told = run("export", tmp_path / "model", "--onnx", path, "--json")

    assert code == 0
    assert json.loads(told.out) == {"onnx": str(path), "bytes": path.stat().st_size}
    session = onnxruntime.InferenceSession(path)
    assert [one.name for one in session.get_inputs()] == ["context", "scale"]
    code, told = run("export", tmp_path / "model", "--onnx", path)
    assert told.out.startswith(f"ONNX: {path} (")


def test_no_model_is_one_sentence(run, tmp_path):
    """A folder without a model is named, and nothing is written."""
    code, told = run("export", tmp_path, "--onnx", tmp_path / "m.onnx")

    assert code == BAD_INPUT
    assert "Expected a model's file" in told.err
    assert not (tmp_path / "m.onnx").exists()
