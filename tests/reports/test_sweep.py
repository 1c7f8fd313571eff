"""The page of a sweep: the verdict first, and pictures of what was measured."""

import html
import re
from dataclasses import replace

import pytest

import closecast as cc
from closecast.errors import ModelError
from closecast.experiments.members import MemberResult
from closecast.experiments.sweep import load_sweep
from closecast.reports.language import words_of
from closecast.reports.sweep import (
    Curve,
    Plane,
    draw_curves,
    draw_errors,
    draw_heat,
    overfitting_epoch,
    plane_of,
    write_sweep_report,
)
from closecast.testing import random_walk

QUICK = {"hidden_size": 4, "epochs": 2, "batch_size": 32}
GRID = {"learning_rate": [0.001, 0.01], "num_layers": [1, 2], "dropout": [0.0, 0.2]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A sweep of three settings."""
    folder = tmp_path_factory.mktemp("sweep-report")
    cc.sweep(random_walk(2, 260), GRID, seeds=2, out=folder / "run",
             index=folder / "i", source="<b>prices</b>", **QUICK)  # fmt: skip
    return folder / "run"


def member(best_epoch, epochs, seed=0):
    """Make a member's result with a learning curve."""
    return MemberResult(
        name=str(seed), values={}, seed=seed, best_epoch=best_epoch, epochs=epochs
    )


def test_the_page_says_what_the_sweep_found(run):
    """Verdict, winner, every combination; nothing from outside, names escaped."""
    page = write_sweep_report(run).read_text()
    sweep = load_sweep(run)

    shown = re.search(r'<p class="verdict">(.*?)</p>', page)
    assert html.unescape(re.sub("<[^>]+>", "", shown.group(1))) == sweep.verdict
    assert f"Winner: {sweep.winner}." in page
    assert page.count("<svg") == 4
    assert "How likely is the winner luck?" in page
    assert page.count("<tr") == 1 + 8 + 1 + 2
    for one in sweep.luck:
        assert f"<td>{len(one['in_set'])} of 16</td>" in page
    assert "&lt;b&gt;prices&lt;/b&gt;" in page
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert "<script" not in page


def test_the_page_of_a_search_shows_proposals(tmp_path):
    """A search has no grid to draw: its proposals and all settings at once instead."""
    space = {"learning_rate": {"low": 0.001, "high": 0.1}, "optimizer": ["adam", "sgd"]}
    cc.search(random_walk(2, 260), space, trials=4, out=tmp_path / "run",
              index=tmp_path / "i", **QUICK)  # fmt: skip
    page = write_sweep_report(tmp_path / "run").read_text()

    assert "<h1>A search of learning_rate, optimizer</h1>" in page
    assert "4 proposals of the sampler tpe" in page
    assert page.count("<svg") == 2
    assert "Validation loss of 4 proposals" in page


def test_the_page_speaks_korean(run, tmp_path):
    """Words of the page and of the verdict; names of settings stay."""
    page = write_sweep_report(run, language="ko", out=tmp_path / "ko.html")
    text = page.read_text()
    assert '<html lang="ko">' in text
    verdict = re.search(r'<p class="verdict">(.*?)</p>', text).group(1)
    assert "모델 16개에서 고른 하나" in verdict
    assert 'lang="en"' not in verdict
    assert "선택된 조합" in text
    assert "learning_rate" in text
    assert "Winner" not in text
    assert "선택된 모델이 운일 가능성" in text
    assert "Luck" not in text
    assert "overfitting" not in text


def test_the_same_run_gives_the_same_page(run):
    """To the byte."""
    assert write_sweep_report(run).read_bytes() == write_sweep_report(run).read_bytes()


def test_pictures_show_two_settings_and_the_third_as_the_winner_has_it(run):
    """A plane through the winner, every seed of it."""
    sweep = load_sweep(run)
    plane = plane_of(sweep)
    winner = next(one for one in sweep.members if one.name == sweep.winner)

    assert (plane.down[0], plane.across[0]) == ("learning_rate", "num_layers")
    assert len(plane.cells) == 4
    assert {len(cell) for cell in plane.cells.values()} == {2}
    assert winner in plane.cells[plane.winner]
    assert {one.values["dropout"] for cell in plane.cells.values() for one in cell} == {
        winner.values["dropout"]
    }


def test_the_heat_map_holds_means_and_spread(run):
    """As numbers, since colours alone cannot be read."""
    sweep = load_sweep(run)
    text = draw_heat(plane_of(sweep), words_of("en")).inline()

    for one in sweep.combinations:
        if one.values["dropout"] == sweep.forecaster.settings.dropout:
            assert f"{one.mean_loss:.4g}" in text


def two_cells(*losses):
    """Give a plane of two combinations, of the losses by seed and fold."""
    cells = {
        (None, at): tuple(
            MemberResult(
                name=f"{at} {seed} {fold}", values={"num_layers": at}, seed=seed,
                fold=fold, validation_loss=loss, train_crps=loss, validation_crps=loss,
            )
            for seed, folds in enumerate(cell)
            for fold, loss in enumerate(folds, start=1)
        )
        for at, cell in enumerate(losses, start=1)
    }  # fmt: skip
    return Plane(
        across=("num_layers", (1, 2)), down=("", (None,)), cells=cells, winner=(None, 1)
    )


def test_the_spread_of_a_cell_is_over_seeds():
    """Blocks of other difficulty are no spread: a seed counts with its mean."""
    plane = two_cells([[1.0, 3.0], [1.2, 3.2]], [[5.0, 5.0], [5.0, 5.0]])
    text = draw_heat(plane, words_of("en")).inline()

    assert "2.1" in text
    assert "±0.14" in text
    assert "±0" in text.replace("±0.14", "")


def test_what_leaves_the_scale_is_told_in_figures(run):
    """A cut bar holds its value, a panel without a curve says where they are."""
    plane = two_cells([[1.0], [1.0]], [[123.4], [123.4]])
    curves = {
        one.name: Curve(train=(one.train_crps,) * 3, validation=(one.train_crps,) * 3)
        for cell in plane.cells.values()
        for one in cell
    }
    curves["1 0 1"] = Curve(train=(1.0, 1.1, 1.2, 1.0, 1.1), validation=(1.0, 1.2) * 2)
    sweep = replace(load_sweep(run), test_crps=1.0)

    assert "123" in draw_errors(plane, sweep, words_of("en")).inline()
    drawn = draw_curves(plane, curves, words_of("en")).inline()
    assert "above this scale: 123" in drawn
    assert ">epoch<" in drawn
    assert ">loss<" in drawn


def test_a_diverged_seed_is_drawn_as_such(run):
    """No bar, no mean, a word in its panel."""
    sweep = load_sweep(run)
    plane = plane_of(sweep)
    key = next(key for key in plane.cells if key != plane.winner)
    first, second = plane.cells[key]
    lost = MemberResult(
        name=first.name, values=first.values, seed=first.seed, diverged="nan"
    )
    plane.cells[key] = (lost, second)
    curves = {
        one.name: Curve(train=(2.0, 1.0), validation=(2.0, 1.5))
        for cell in plane.cells.values()
        for one in cell
        if one.diverged is None
    }

    assert "diverged" in draw_heat(plane, words_of("en")).inline()
    assert "1 diverged" in draw_curves(plane, curves, words_of("en")).inline()


def test_the_overfitting_epoch_is_where_validation_stopped_to_fall():
    """The median over seeds, and none while most were still getting better."""
    assert overfitting_epoch([member(3, 8), member(5, 8), member(8, 8)]) == 5
    assert overfitting_epoch([member(3, 8), member(8, 8)]) is None
    assert overfitting_epoch([member(8, 8)]) is None
    assert overfitting_epoch([]) is None


def test_a_run_without_losses_is_refused(run):
    """The message names the file."""
    losses = (run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").write_text("{}\n")
    try:
        with pytest.raises(ModelError, match=r"metrics\.jsonl.*Run the sweep again"):
            write_sweep_report(run)
    finally:
        (run / "metrics.jsonl").write_bytes(losses)
