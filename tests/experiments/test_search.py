"""A search proposes, trains, tells, and ends with the same bytes though it was cut."""

import numpy as np
import optuna
import pytest

import closecast as cc
from closecast.errors import ModelError, SettingError, TrainingError
from closecast.experiments import members as room
from closecast.experiments.index import Index
from closecast.testing import random_walk

QUICK = {"hidden_size": 4, "epochs": 2, "optimizer": "sgd", "batch_size": 32}
SPACE = {
    "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "num_layers": {"low": 1, "high": 2},
    "batch_norm": [True, False],
}
TRIALS = {"trials": 5, "batch": 2, "sampler": "random"}


@pytest.fixture(scope="module")
def bars():
    """Two random walks."""
    return random_walk(2, 260)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder for runs and their index."""
    return tmp_path_factory.mktemp("searches")


@pytest.fixture(scope="module")
def done(bars, home):
    """A search that is done, in home / "run"."""
    return cc.search(
        bars, SPACE, out=home / "run", index=home / "i.sqlite", **TRIALS, **QUICK
    )


def tree(folder):
    """Read every file of a folder but Optuna's journal, which knows the time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "optuna.journal"
    }


def test_proposals_lie_in_the_space(done):
    """Each trained member is one of the space, and none is trained twice."""
    for one in done.members:
        assert 1e-3 <= one.values["learning_rate"] <= 1e-1
        assert one.values["num_layers"] in {1, 2}
        assert isinstance(one.values["num_layers"], int)
        assert one.values["batch_norm"] in {True, False}
    assert len({one.name for one in done.members}) == len(done.members) == 5
    assert done.search == TRIALS


def test_the_winner_has_the_least_loss_and_counts_all(done, home, bars):
    """What was proposed is what it was chosen from."""
    losses = {one.name: one.validation_loss for one in done.members}

    assert done.winner == min(losses, key=losses.get)
    assert done.trials == Index(home / "i.sqlite").trials(bars.fingerprint) == 5
    assert "out of 5 models" in done.why[0]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_is_cut_off_ends_with_the_same_bytes(
    bars, tmp_path, monkeypatch, sampler
):
    """Proposals are made again, members on the disk are not trained again."""
    how = {**TRIALS, "sampler": sampler, "trials": 4}
    # the torch engine trains one by one, so that a cut has members on both sides
    given = {**how, **QUICK, "engine": "torch", "index": tmp_path / "i.sqlite"}
    whole = cc.search(bars, SPACE, out=tmp_path / "whole", **given)
    calls, train_each = [], room.train_each

    def cut_off(bars, jobs, *rest):
        calls.extend(job.name for job in jobs)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train_each(bars, jobs, *rest)

    monkeypatch.setattr(room, "train_each", cut_off)
    with pytest.raises(KeyboardInterrupt):
        cc.search(bars, SPACE, out=tmp_path / "cut", **given)
    first = len(calls)
    again = cc.search(bars, SPACE, out=tmp_path / "cut", **given)

    assert again.winner == whole.winner
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    assert len(calls) - first == len(whole.members) - (first - 1)


def test_a_proposal_that_was_made_before_is_not_trained_again(bars, tmp_path):
    """Two combinations cannot make six members."""
    done = cc.search(
        bars,
        {"batch_norm": [True, False]},
        index=tmp_path / "i.sqlite",
        **{**TRIALS, "trials": 6},
        **QUICK,
    )

    assert len(done.members) == 2
    assert done.trials == 2


def test_a_proposal_is_worth_the_mean_of_its_seeds(bars, tmp_path):
    """Optuna is told one loss for all the seeds of a proposal."""
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    done = cc.search(
        bars,
        {"learning_rate": {"low": 0.01, "high": 0.1}},
        seeds=2,
        storage=url,
        index=tmp_path / "i.sqlite",
        **{**TRIALS, "trials": 2},
        **QUICK,
    )
    study = optuna.load_study(study_name="closecast", storage=url)

    assert len(done.members) == 4
    for trial in study.trials:
        losses = [
            one.validation_loss
            for one in done.members
            if one.values["learning_rate"] == trial.params["learning_rate"]
        ]
        assert trial.value == pytest.approx(np.mean(losses))


def study_of(run):
    """Read the journal of a run with Optuna's own tools."""
    backend = optuna.storages.journal.JournalFileBackend(str(run / "optuna.journal"))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name="closecast", storage=storage)


def test_optuna_reads_the_journal(done, home):
    """What was searched can be looked at with Optuna's own tools."""
    study = study_of(home / "run")

    assert {trial.value for trial in study.trials} == {
        one.validation_loss for one in done.members
    }


def test_a_diverged_proposal_is_retired(bars, tmp_path, monkeypatch):
    """A wild learning rate is named, told as failed and cannot win."""
    train_each = room.train_each

    def diverging(bars, jobs, *rest):
        return [
            TrainingError("Expected finite losses, got nan.")
            if job.settings.learning_rate == 1.0
            else train_each(bars, [job], *rest)[0]
            for job in jobs
        ]

    monkeypatch.setattr(room, "train_each", diverging)
    done = cc.search(
        bars,
        {"learning_rate": [1.0, 0.01]},
        index=tmp_path / "i.sqlite",
        **{**TRIALS, "trials": 4},
        **QUICK,
    )
    wild = next(one for one in done.members if one.values["learning_rate"] == 1.0)

    assert "Expected finite losses" in wild.diverged
    assert "learning_rate=0.01" in done.winner


@pytest.mark.usefixtures("done")
def test_a_run_of_another_search_is_refused(home, bars):
    """The difference is shown before anything is trained."""
    with pytest.raises(ModelError, match=r"search\.sampler: random there, tpe asked"):
        cc.search(
            bars,
            SPACE,
            out=home / "run",
            index=home / "i.sqlite",
            **{**TRIALS, "sampler": "tpe"},
            **QUICK,
        )


@pytest.mark.parametrize(
    ("space", "how", "words"),
    [
        ({}, {}, "Expected a space of at least one setting"),
        ({"learning_rte": [1, 2]}, {}, "Did you mean 'learning_rate'"),
        ({"head": ["point"]}, {}, "Expected a setting that can be compared"),
        ({"hidden_size": [4]}, {}, "one value or varied, got both"),
        ({"engine": {"low": 1, "high": 2}}, {}, "Expected engine to have a list"),
        ({"dropout": {"low": 0.1}}, {}, "a range of low, high and log, got"),
        ({"dropout": {"low": 0.1, "high": 0.2, "step": 1}}, {}, "Expected dropout"),
        ({"dropout": {"low": 0.2, "high": 0.1}}, {}, "Expected high of dropout"),
        ({"dropout": {"low": 0.1, "high": 1.5}}, {}, "Expected dropout to be a number"),
        (
            {"dropout": {"low": 0.0, "high": 0.1, "log": True}},
            {},
            "Expected low of dropout",
        ),
        ({"dropout": {"low": 0.1, "high": 0.2, "log": 1}}, {}, "log of dropout"),
        (SPACE, {"sampler": "grid"}, "Expected sampler to be one of tpe, random"),
        (SPACE, {"trials": 0}, "Expected trials to be a whole number"),
        (SPACE, {"batch": 0}, "Expected batch to be a whole number"),
        (SPACE, {"folds": 0}, "Expected folds to be a whole number"),
        (SPACE, {"trials": 5000, "folds": 3}, "at most 10,000 members, got 15,000"),
        (SPACE, {"seeds": 10**6}, "say that you mean it: --yes"),
        (SPACE, {"storage": "nowhere://x"}, "Expected an Optuna storage that can be"),
    ],
)
def test_what_cannot_be_searched_is_refused(bars, tmp_path, space, how, words):
    """Each with what was expected, before anything is trained."""
    with pytest.raises(SettingError, match=words):
        cc.search(
            bars, space, index=tmp_path / "i.sqlite", **{**TRIALS, **how}, **QUICK
        )
    assert Index(tmp_path / "i.sqlite").trials(bars.fingerprint) == 0


RACE = {
    "trials": 12, "batch": 9, "sampler": "random", "pruning": "halving",
}  # fmt: skip
LONG = {**QUICK, "epochs": 9, "early_stopping": False}


@pytest.fixture(scope="module")
def raced(bars, home):
    """A search whose batches are thinned out after epochs 1 and 3 of 9."""
    return cc.search(
        bars, SPACE, out=home / "raced", index=home / "r.sqlite", **RACE, **LONG
    )


def test_only_the_best_third_trains_on(raced):
    """Nine have one epoch, three of them three, one of them nine; all are scored."""
    epochs = [one.epochs for one in raced.members]

    assert sorted(epochs[:9]) == [1] * 6 + [3] * 2 + [9]
    assert sorted(epochs[9:]) == [1, 1, 9]  # of three one goes on, and again
    assert all(one.validation_crps is not None for one in raced.members)
    assert raced.trials == 12
    assert all(one["num_members"] == 12 for one in raced.luck)


def test_a_member_that_went_on_is_the_one_trained_at_once(raced, home, bars):
    """Resting at a rung changes no bit."""
    best = next(one for one in raced.members if one.epochs == 9)
    alone = cc.sweep(
        bars, {name: [value] for name, value in best.values.items()}, seeds=1,
        out=home / "alone", index=home / "alone.sqlite", **LONG,
    )  # fmt: skip
    files = [
        home / run / "members" / name / "model.safetensors"
        for run, name in (("raced", best.name), ("alone", alone.winner))
    ]

    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.usefixtures("raced")
@pytest.mark.parametrize("cut", [5, 14, 27])
def test_a_race_that_is_cut_off_ends_with_the_same_bytes(
    home, bars, tmp_path, cut, monkeypatch
):
    """At a rung, between rungs, and where some of a fleet are written already."""
    told = 0
    monkeypatch.setattr(room, "WRITTEN_EVERY_S", 0.0)

    def stop(_):
        nonlocal told
        told += 1
        if told == cut:
            raise KeyboardInterrupt

    given = {"out": tmp_path / "run", "index": tmp_path / "i", **RACE, **LONG}
    with pytest.raises(KeyboardInterrupt):
        cc.search(bars, SPACE, on_progress=stop, **given)
    cc.search(bars, SPACE, **given)

    assert tree(tmp_path / "run") == tree(home / "raced")


def test_optuna_is_told_who_was_left_behind(raced, home):
    """Its own tools show them as pruned, with the epoch they came to."""
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(
            str(home / "raced" / "optuna.journal")
        )
    )
    trials = optuna.load_study(study_name=None, storage=storage).trials

    assert [one.state.name for one in trials] == [
        "COMPLETE" if one.epochs == 9 else "PRUNED" for one in raced.members
    ]
    assert [one.last_step for one in trials if one.state.name == "PRUNED"] == [
        one.epochs for one in raced.members if one.epochs < 9
    ]


def test_a_space_of_epochs_cannot_be_raced(bars, tmp_path):
    """Members would be compared after other shares of their trainings."""
    with pytest.raises(SettingError, match="a space of epochs with pruning halving"):
        cc.search(bars, {"epochs": [9, 18]}, pruning="halving", out=tmp_path / "run")


FOLDED = {"trials": 3, "batch": 3, "sampler": "random", "folds": 2, "seeds": 2}


@pytest.fixture(scope="module")
def folded(bars, home):
    """Three proposals, each trained before two validation blocks by two seeds."""
    return cc.search(
        bars, SPACE, out=home / "folded", index=home / "f.sqlite", **FOLDED, **QUICK
    )


def test_a_proposal_is_worth_its_mean_over_folds(folded, home):
    """Optuna is told the mean over all folds and seeds, and the newest fold wins."""
    study = study_of(home / "folded")

    assert len(folded.members) == folded.trials == 12
    for trial in study.trials:
        losses = [
            one.validation_loss for one in folded.members if one.values == trial.params
        ]
        assert len(losses) == 4
        assert trial.value == pytest.approx(np.mean(losses))
    assert folded.winner.endswith("fold=2")


@pytest.mark.usefixtures("folded")
def test_a_search_of_folds_that_is_cut_off_ends_with_the_same_bytes(
    bars, home, tmp_path, monkeypatch
):
    """The fleet of the proposals dies after its first member was written."""
    keep, kept = room.Workshop._keep, []

    def dies(self, *given):
        if kept:
            raise KeyboardInterrupt
        kept.append(1)
        keep(self, *given)

    monkeypatch.setattr(room.Workshop, "_keep", dies)
    arguments = {"out": tmp_path / "run", "index": tmp_path / "i.sqlite"}
    with pytest.raises(KeyboardInterrupt):
        cc.search(bars, SPACE, **arguments, **FOLDED, **QUICK)
    monkeypatch.undo()
    cc.search(bars, SPACE, **arguments, **FOLDED, **QUICK)

    assert tree(tmp_path / "run") == tree(home / "folded")


def test_a_proposal_is_left_behind_with_all_its_folds(bars, home):
    """Three proposals of two folds: one trains on to the end, in both folds."""
    done = cc.search(
        bars,
        SPACE,
        out=home / "folded race",
        index=home / "fr.sqlite",
        **{**FOLDED, "seeds": 1, "pruning": "halving"},
        **LONG,
    )
    epochs = {}
    for one in done.members:
        epochs.setdefault(str(one.values), []).append(one.epochs)

    assert sorted(epochs.values()) == [[1, 1], [1, 1], [9, 9]]
    states = [trial.state.name for trial in study_of(home / "folded race").trials]
    assert sorted(states) == ["COMPLETE", "PRUNED", "PRUNED"]
