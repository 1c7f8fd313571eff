"""A sweep trains every member once, counts them all and judges the best honestly."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import closecast as cc
from closecast.engine.native import is_built
from closecast.engine.torch import TorchEngine
from closecast.errors import ModelError, SettingError, TrainingError, WindowError
from closecast.experiments import members as room
from closecast.experiments.index import Index
from closecast.experiments.members import MemberResult
from closecast.experiments.selection import read_validation
from closecast.experiments.sweep import load_sweep
from closecast.experiments.verify import verify
from closecast.experiments.winner import choose_winner, combine
from closecast.market.readers import to_frame
from closecast.testing import random_walk
from closecast.training.checkpoint import load
from closecast.windows import walk_back

QUICK = {"hidden_size": 4, "epochs": 3, "optimizer": "sgd", "batch_size": 32}
GRID = {"learning_rate": [0.001, 0.01], "num_layers": [1, 2]}
WILD = {"learning_rate": [1000.0, 0.01], "num_layers": [2]}

ONE_BY_ONE = {**QUICK, "engine": "torch"}
"""By the engine that trains its members one after the other."""


@pytest.fixture(scope="module")
def bars():
    """Two random walks."""
    return random_walk(2, 260)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder for runs and their index."""
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="module")
def done(bars, home):
    """A sweep that is done, in home / "run"."""
    return cc.sweep(
        bars, GRID, seeds=2, out=home / "run", index=home / "i.sqlite", **QUICK
    )


def tree(folder):
    """Read every file of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def result(loss, seed=0, **values):
    """Make a member's result; a loss of None has diverged."""
    diverged = "Expected finite losses, got nan." if loss is None else None
    return MemberResult(
        name=f"{values},{seed}",
        values=values,
        seed=seed,
        validation_loss=loss,
        diverged=diverged,
    )


def test_every_member_is_trained_and_kept(done, home, bars):
    """Eight members, each with a checkpoint of its own settings."""
    assert len(done.members) == 8
    for one in done.members:
        model = load(home / "run" / "members" / one.name)
        assert model.settings.seed == one.seed
        assert all(
            getattr(model.settings, key) == value for key, value in one.values.items()
        )
        kept = model.curve.best_epoch - 1
        assert model.curve.validation_loss[kept] == one.validation_loss
    table = done.to_frame()
    assert len(table) == 8
    assert {"learning_rate", "num_layers", "seed", "validation_loss"} <= set(table)
    forecast = done.forecaster.predict(bars)
    assert set(forecast["symbol"]) == {"W00", "W01"}


def test_a_member_is_the_model_trained_alone(done, home, bars):
    """A sweep changes nothing about a training: the same weights, bit for bit."""
    one = done.members[-1]
    alone = cc.Forecaster(**QUICK, **one.values, seed=one.seed).fit(bars)

    weights = load(home / "run" / "members" / one.name).weights

    assert weights.keys() == alone.model.weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(array, alone.model.weights[name])


def test_the_winner_is_the_best_on_validation(done):
    """Least mean loss over seeds, then the best of its seeds."""
    means = {}
    for one in done.members:
        means.setdefault(tuple(one.values.values()), []).append(one.validation_loss)
    best = min(means, key=lambda values: np.mean(means[values]))
    winner = next(one for one in done.members if one.name == done.winner)

    assert tuple(winner.values.values()) == best
    assert winner.validation_loss == min(means[best])
    assert done.combinations[0].mean_loss == pytest.approx(np.mean(means[best]))


def test_only_the_winner_has_a_test_score(done, home):
    """Nothing in the run tells how another member did on the test block."""
    document = json.loads((home / "run" / "sweep.json").read_text())
    assert document["winner"]["test_crps"] == done.test_crps > 0
    assert not any("test" in key for one in document["members"] for key in one)

    stamped = [path.parent.name for path in (home / "run").rglob("leak_tests.json")]
    assert stamped == [done.winner]


def test_the_verdict_counts_every_model_ever_trained(bars, tmp_path):
    """A second sweep on the same prices is corrected for the first one's models too."""
    index = tmp_path / "i.sqlite"
    one = cc.sweep(bars, {"dropout": [0.0, 0.2]}, seeds=1, index=index, **QUICK)
    two = cc.sweep(bars, {"dropout": [0.0, 0.5]}, seeds=1, index=index, **QUICK)

    assert (one.trials, two.trials) == (2, 3)  # dropout 0.0 was there before
    assert "3 models were ever trained on these prices" in two.why[0]
    assert "out of 2 models" in two.why[0]
    assert two.verdict.startswith("Best of 3 models, p-values corrected")


def test_a_sweep_on_a_random_walk_says_that_luck_explains_it(tmp_path):
    """Nobody can be skilled here, and the run says so in verdict and figures."""
    given = {"seeds": 2, "out": tmp_path / "run", "index": tmp_path / "i", **QUICK}
    swept = cc.sweep(random_walk(2, 1300), GRID, **given)

    for path in ("sweep.json", "scoreboard.json"):
        document = json.loads((tmp_path / "run" / path).read_text())
        density, mean = document["luck"]
        assert (density["score"], mean["score"]) == ("crps", "squared_error")
        for one in (density, mean):
            assert one["num_members"] == one["trials"] == 8
            assert one["deflated_sharpe"]["probability"] < 0.9
            assert 0 <= one["overfitting"]["probability"] <= 1
            assert len(one["superiority"]) == (3 if one is density else 2)
            assert one["in_set"]
            assert not one["excluded"]
            assert set(one["words"]) < set(document["why"])
    assert swept.luck == tuple(document["luck"])
    assert "no evidence of skill in the density" in swept.verdict
    assert "How likely the winner is luck, by CRPS: the best of 8" in " ".join(
        swept.why
    )


def test_a_sweep_can_be_verified(done, home, bars, tmp_path):
    """Files, every member, the winner's figures, luck, data and truth."""
    assert done.luck
    run = shutil.copytree(home / "run", tmp_path / "run")

    checks = {check.name: check for check in verify(run, bars)}

    assert {"files", "figures", "luck", "data", "truth"} < set(checks)
    assert sum(name.startswith("members/") for name in checks) == 8
    assert [name for name, check in checks.items() if not check.passed] == []
    board = json.loads((run / "scoreboard.json").read_text())
    board["luck"][0]["chance_of_luck"] = 0.01
    (run / "scoreboard.json").write_text(json.dumps(board))
    failed = [check for check in verify(run) if not check.passed]
    assert [check.name for check in failed] == ["files", "luck"]
    assert "luck[0].chance_of_luck: 0.01 for" in failed[1].detail


def test_luck_is_not_asked_of_damaged_losses(done, home, tmp_path):
    """Whatever bit flipped in them, verify names the file and goes on."""
    assert done.luck
    run = shutil.copytree(home / "run", tmp_path / "run")
    table = run / "validation.parquet"
    flipped = bytearray(table.read_bytes())
    flipped[len(flipped) // 2] ^= 64
    table.write_bytes(flipped)

    failed = {one.name: one.detail for one in verify(run) if not one.passed}

    assert set(failed) == {"files", "luck"}
    assert "validation.parquet is not as it was written" in failed["luck"]


def test_sums_that_a_kill_left_out_are_written(bars, tmp_path, monkeypatch):
    """Killed between the end of a sweep and its sums: the same command adds them."""
    given = {"seeds": 1, "out": tmp_path / "run", "index": tmp_path / "i", **QUICK}
    grid = {"dropout": [0.0, 0.2]}
    cc.sweep(bars, grid, **given)
    whole = (tmp_path / "run" / "SHA256SUMS").read_bytes()
    (tmp_path / "run" / "SHA256SUMS").unlink()
    monkeypatch.setattr(room, "train_each", None)

    cc.sweep(bars, grid, **given)

    assert (tmp_path / "run" / "SHA256SUMS").read_bytes() == whole


def test_no_verdict_without_what_members_lost(bars, tmp_path, monkeypatch):
    """A member whose losses were lost keeps the sweep from a verdict on its winner."""
    given = {"seeds": 1, "out": tmp_path / "run", "index": tmp_path / "i", **QUICK}
    with monkeypatch.context() as stopped:
        stopped.setattr("closecast.experiments.sweep.conclude", lambda *_: None)
        with pytest.raises(ModelError, match="a file of a run"):
            cc.sweep(bars, GRID, **given)
    lost = next((tmp_path / "run").rglob("validation.safetensors"))
    lost.write_bytes(b"")

    with pytest.raises(ModelError, match="Without it nothing is said of a winner"):
        cc.sweep(bars, GRID, **given)


def test_a_run_of_an_older_format_is_refused(done, home, tmp_path):
    """Rather than read with figures missing."""
    assert done.winner
    document = json.loads((home / "run" / "sweep.json").read_text())
    (tmp_path / "sweep.json").write_text(json.dumps({**document, "format": 1}))
    with pytest.raises(ModelError, match="a sweep of format 2, got 1"):
        load_sweep(tmp_path)


def test_nothing_stays_on_the_disk_without_out(bars, tmp_path, monkeypatch):
    """A sweep without a folder leaves its count alone, and still forecasts."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    index = Index(tmp_path / "index" / "i.sqlite")

    swept = cc.sweep(bars, {"dropout": [0.2]}, seeds=1, index=index.path, **QUICK)

    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert index.runs() == []
    assert len(swept.forecaster.predict(bars)) == 2 * 5


def test_members_of_another_context_have_the_same_windows(bars, tmp_path):
    """Losses over different windows could not be compared."""
    grid = {"context_length": [5, 12]}
    swept = cc.sweep(bars, grid, seeds=1, index=tmp_path / "i", out=tmp_path / "run",
                     **QUICK)  # fmt: skip

    trained_on = [
        load(tmp_path / "run" / "members" / one.name).trained_on
        for one in swept.members
    ]
    assert trained_on[0]["train_windows"] == trained_on[1]["train_windows"]
    assert trained_on[0]["validation_windows"] == trained_on[1]["validation_windows"]


def test_a_diverged_member_is_named_retired_and_counted(bars, tmp_path, monkeypatch):
    """The rest of its fleet goes on, as if it had never been there."""
    whole = TorchEngine.train

    def fragile(self, data, members, on_epoch=None, checkpoints=None):
        return [
            TrainingError(f"Expected finite losses, got nan ({member.name}).")
            if member.optimizer.learning_rate == 1000.0
            else whole(self, data, [member], on_epoch, checkpoints)[0]
            for member in members
        ]

    monkeypatch.setattr(TorchEngine, "train", fragile)
    monkeypatch.setattr(TorchEngine, "name", "torch, but in fleets")
    index = tmp_path / "i.sqlite"
    given = {"seeds": 2, "index": index, **ONE_BY_ONE}
    swept = cc.sweep(bars, WILD, out=tmp_path / "a", **given)
    monkeypatch.undo()
    calm = {**WILD, "learning_rate": [0.01]}
    alone = cc.sweep(bars, calm, out=tmp_path / "b", **given)

    wild = [one for one in swept.members if one.diverged]
    assert [one.values["learning_rate"] for one in wild] == [1000.0, 1000.0]
    assert all(f"({one.name})" in one.diverged for one in wild)
    assert swept.trials == 4
    assert swept.winner == alone.winner
    home = Path("members") / swept.winner / "model.safetensors"
    assert (tmp_path / "a" / home).read_bytes() == (tmp_path / "b" / home).read_bytes()


def test_no_winner_is_better_than_one_that_diverged():
    """A combination with a diverged seed cannot win, however good the others were."""
    lucky = [result(0.1, 0, dropout=0.1), result(None, 1, dropout=0.1)]
    steady = [result(0.5, 0, dropout=0.2), result(0.4, 1, dropout=0.2)]

    assert choose_winner(lucky + steady) is steady[1]
    assert [one.diverged for one in combine(lucky + steady)] == [0, 1]
    with pytest.raises(TrainingError, match="whose seeds all train, got none"):
        choose_winner(lucky)


def test_a_run_of_other_settings_or_prices_is_refused(done, home, bars):
    """The difference is shown and nothing is changed."""
    before = tree(home / "run")

    with pytest.raises(ModelError, match="hidden_size: 4 there, 5 asked for"):
        cc.sweep(bars, GRID, seeds=2, out=home / "run", **{**QUICK, "hidden_size": 5})
    with pytest.raises(ModelError, match=r"num_layers: \[1, 2\] there, \[1\] asked"):
        cc.sweep(bars, {**GRID, "num_layers": [1]}, seeds=2, out=home / "run", **QUICK)
    other = bars.select(np.arange(len(bars)) != len(bars) - 1)
    with pytest.raises(
        ModelError, match=r"data\.json: fingerprint: .* bars: 520 there"
    ):
        cc.sweep(other, GRID, seeds=2, out=home / "run", **QUICK)
    assert tree(home / "run") == before
    assert done.winner == load_sweep(home / "run").winner


def test_a_sweep_that_is_done_is_not_done_again(done, home, bars, monkeypatch):
    """The same call reads what is there."""
    monkeypatch.setattr(room, "train_each", None)

    again = cc.sweep(bars, GRID, seeds=2, out=home / "run", **QUICK)

    assert again.members == done.members
    assert again.trials == done.trials


def test_an_unknown_setting_names_the_nearest(bars):
    """Before a single window is cut."""
    with pytest.raises(SettingError, match="Did you mean 'learning_rate'"):
        cc.sweep(bars, {"learnin_rate": [0.1]})


def test_progress_is_told(bars, tmp_path):
    """After each epoch and member, with the best so far and the time left."""
    seen = []
    cc.sweep(
        bars, {"dropout": [0.0, 0.3]}, seeds=1, index=tmp_path / "i", **ONE_BY_ONE,
        on_progress=seen.append,
    )  # fmt: skip

    assert [len(one.results) for one in seen] == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert [one.running.epoch for one in seen if one.running] == [1, 2, 3, 1, 2, 3]
    assert seen[0].left_s is None
    assert seen[-1].left_s == 0
    assert seen[-1].windows_per_s > 0


class StoppedError(Exception):
    """What cuts a sweep off here."""


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("cut", [1, 4, 7])
def test_members_go_on_from_where_they_were(bars, tmp_path, monkeypatch, engine, cut):
    """Cut off after some epochs, no epoch is trained twice, and the bytes are equal."""
    if engine == "native" and not is_built():
        pytest.skip("The native engine was not built here.")
    monkeypatch.setattr(room, "WRITTEN_EVERY_S", 0.0)
    given = {**QUICK, "epochs": 5, "dropout": 0.2, "engine": engine, "seeds": 2,
             "early_stopping": False}  # fmt: skip
    epochs = []

    def cut_off(progress):
        if progress.running is not None:
            epochs.append((progress.running.member, progress.running.epoch))
            if len(epochs) == cut:
                raise StoppedError

    given.pop("optimizer")
    grid = {"optimizer": ["adam"]}
    cc.sweep(bars, grid, out=tmp_path / "whole", index=tmp_path / "i", **given)
    with pytest.raises(StoppedError):
        cc.sweep(bars, grid, out=tmp_path / "cut", index=tmp_path / "j", **given,
                 on_progress=cut_off)  # fmt: skip
    assert list((tmp_path / "cut" / "unfinished").iterdir())
    told = []
    cc.sweep(bars, grid, out=tmp_path / "cut", index=tmp_path / "j", **given,
             on_progress=told.append)  # fmt: skip

    again = [(one.running.member, one.running.epoch) for one in told if one.running]
    assert not set(again) & set(epochs[: cut - 1])
    assert told[-1].left_s in {0, None}
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    assert not (tmp_path / "cut" / "unfinished").exists()


def start(folder):
    """Start the command line's sweep in a process of its own."""
    arguments = ["sweep", "grid.toml", "prices.csv", "--out", "run", "--index", "i.db"]
    return subprocess.Popen(
        [sys.executable, "-m", "closecast", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_members(process, folder, count):
    """Wait until a process has finished some members."""
    until = time.monotonic() + 60
    while len(list(folder.glob("run/members/*/member.json"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.slow
def test_a_sweep_that_is_killed_ends_with_the_same_bytes(bars, tmp_path):
    """Kill -9 after some members, again and again: none is trained twice."""
    folders = {name: tmp_path / name for name in ("whole", "killed")}
    for folder in folders.values():
        folder.mkdir()
        to_frame(bars, "pandas").to_csv(folder / "prices.csv", index=False)
        (folder / "grid.toml").write_text(
            'seeds = 2\nhidden_size = 4\nepochs = 15\noptimizer = "sgd"\n'
            "batch_size = 16\n[grid]\nlearning_rate = [1000.0, 0.01, 0.001]\n"
            "num_layers = [1]\n"
        )
    whole = start(folders["whole"])
    out, errors = whole.communicate(timeout=120)
    assert whole.returncode == 0, errors
    assert errors == ""
    assert "evidence of skill" in out

    killed = folders["killed"]
    finished = {}
    for count, delay in ((0, 1.0), (2, 0.0), (4, 0.05)):
        process = start(killed)
        wait_for_members(process, killed, count)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        for path in killed.glob("run/members/*/member.json"):
            stamp = path.stat().st_mtime_ns
            assert finished.setdefault(path, stamp) == stamp
    assert 4 <= len(finished) <= 6
    last = start(killed)
    _, errors = last.communicate(timeout=120)
    assert last.returncode == 0, errors

    assert all(path.stat().st_mtime_ns == stamp for path, stamp in finished.items())
    assert tree(killed / "run") == tree(folders["whole"] / "run")
    counts = {Index(f / "i.db").trials(bars.fingerprint) for f in folders.values()}
    assert counts == {6}


@pytest.fixture(scope="module")
def folded(bars, home):
    """Two combinations, two seeds, chosen on three validation blocks."""
    return cc.sweep(
        bars, {"num_layers": [1, 2]}, seeds=2, folds=3, out=home / "folded",
        index=home / "folded.sqlite", **QUICK,
    )  # fmt: skip


def test_folds_walk_back_from_the_test_block(folded, home, bars):
    """Each validates where the next one begins, and has trained before that."""
    assert len(folded.members) == folded.trials == 12
    name = "num_layers=1,seed=0,fold={}"
    models = [load(home / "folded" / "members" / name.format(n)) for n in (1, 2, 3)]
    starts = [one.settings.validation_start for one in models]
    stops = [one.settings.test_start for one in models]

    assert starts[1:] == stops[:-1]
    assert starts == sorted(starts)
    for one in models:
        assert one.trained_on["last_date"] < one.settings.validation_start
    newest = cc.Forecaster(**QUICK).fit(bars).settings
    assert (starts[-1], stops[-1]) == (newest.validation_start, newest.test_start)


def test_folds_are_worth_their_mean_and_the_newest_wins(folded):
    """A seed is worth its mean over folds; the model that forecasts has seen most."""
    best = folded.combinations[0]
    losses = [
        [m.validation_loss for m in folded.members if (m.values, m.seed) == (v, seed)]
        for v, seed in ((best.values, 0), (best.values, 1))
    ]

    assert best.seeds == 2
    assert best.mean_loss == pytest.approx(np.mean(losses))
    assert best.sd_loss == pytest.approx(np.std(np.mean(losses, axis=1), ddof=1))
    assert folded.winner.endswith("fold=3")


def test_luck_is_asked_on_the_dates_of_all_folds(folded, home, bars):
    """Three validation blocks are more evidence than one, and verify agrees."""
    members, baselines = read_validation(home / "folded")
    forecaster = folded.forecaster
    splits = walk_back(bars, forecaster.spec, forecaster._split(bars), 3)
    dates = sum(len(np.unique(bars.dates[one.validation])) for one in splits)

    assert {one["num_dates"] for one in folded.luck} == {dates}
    assert {one["num_members"] for one in folded.luck} == {4}
    for one in (*members.values(), *baselines.values()):
        assert len(one.crps) == dates
    assert all(check.passed for check in verify(home / "folded", bars))


@pytest.mark.usefixtures("folded")
def test_a_member_of_an_older_fold_is_the_model_trained_alone(home, bars):
    """The fleet holds members of other windows, and changes no bit of any."""
    member = load(home / "folded" / "members" / "num_layers=2,seed=1,fold=1")
    alone = cc.Forecaster(**member.settings.to_dict()).fit(bars)

    for name, array in member.weights.items():
        np.testing.assert_array_equal(array, alone.model.weights[name])


def test_too_many_folds_are_refused(bars, tmp_path):
    """Before anything is written."""
    with pytest.raises(WindowError, match="before 9 validation blocks"):
        cc.sweep(bars, {"num_layers": [1]}, folds=9, out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
