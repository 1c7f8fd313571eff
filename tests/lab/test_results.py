import json
from argparse import Namespace
from copy import deepcopy
from pathlib import Path

import pytest

from closecast.errors import ModelError, SettingError
from closecast.lab import experiment, load_exp_result, save_exp_result

RESULT = {"train_losses": [1.0, 0.5], "train_acc": 3.25}


def test_the_notebook_of_the_lecture_runs(partition, args, tmp_path, monkeypatch):
    """Two loops, setattr, deepcopy, save, load: one row for each pair of values."""
    monkeypatch.chdir(tmp_path)
    args.epoch = 2
    name_var1, name_var2 = "lr", "n_layers"
    list_var1, list_var2 = [0.01, 0.001], [1, 2]
    for var1 in list_var1:
        for var2 in list_var2:
            setattr(args, name_var1, var1)
            setattr(args, name_var2, var2)
            setting, result = experiment(partition, deepcopy(args))
            save_exp_result(setting, result)
    df = load_exp_result("exp1")

    assert len(list((tmp_path / "results").iterdir())) == 4
    assert sorted(zip(df["lr"], df["n_layers"], strict=True)) == [
        (0.001, 1), (0.001, 2), (0.01, 1), (0.01, 2),
    ]  # fmt: skip
    assert df["val_losses"].map(len).tolist() == [2] * 4
    assert df["test_acc"].nunique() == 4


def test_a_setting_is_one_file(tmp_path: Path):
    """The same setting writes the same file, another one never over it."""
    setting = {"exp_name": "exp1", "lr": 0.1, "device": Path("cpu")}
    before = dict(setting)
    path = save_exp_result(setting, RESULT, tmp_path)

    assert save_exp_result(setting, {"train_acc": 1.0}, tmp_path) == path
    assert save_exp_result({**setting, "epoch": 3}, RESULT, tmp_path) != path
    assert setting == before
    assert json.loads(path.read_text())["train_acc"] == 1.0
    assert len(load_exp_result("exp1", tmp_path)) == 2


def test_a_name_is_a_whole_name(tmp_path: Path):
    """Results of exp1 are not those of exp10."""
    for name in ("exp1", "exp10"):
        save_exp_result({"exp_name": name}, RESULT, tmp_path)

    assert load_exp_result("exp1", tmp_path)["exp_name"].tolist() == ["exp1"]
    with pytest.raises(SettingError, match=r"results of 'exp' in .* got exp1, exp10"):
        load_exp_result("exp", tmp_path)
    with pytest.raises(SettingError, match="got none at all"):
        load_exp_result("exp", tmp_path / "nowhere")


@pytest.mark.parametrize("name", [None, "", "../exp", "a/b", 3])
def test_a_name_that_is_no_file_is_refused(name, tmp_path: Path):
    """A result is written into the folder and nowhere else."""
    with pytest.raises(SettingError, match="exp_name to be letters"):
        save_exp_result(vars(Namespace(exp_name=name)), RESULT, tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path):
    """Half a file is no result."""
    (tmp_path / "exp1-0.json").write_text("{")
    with pytest.raises(ModelError, match="exp1-0"):
        load_exp_result("exp1", tmp_path)
