"""Parts of a panel add up to the scores of the whole."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from closecast.errors import SettingError
from closecast.evaluation import score
from closecast.evaluation.parts import PartScore, score_parts
from closecast.evaluation.rows import score_rows


@pytest.fixture
def beside(world):
    """A judged forecast beside the baselines that a verdict asks for."""
    return {
        "lstm": world.forecast(0.0, spread=1.01),
        "zero": world.forecast(0.0),
        "drift": world.forecast(0.0005 * np.arange(1, world.horizon + 1)),
        "ewma_t": world.forecast(0.0, spread=1.3),
        "har_t": world.forecast(0.0, spread=1.31),
        "garch_t": world.forecast(0.0, spread=1.32),
    }


def part_of(forecasts, world, rows):
    """Score some of the windows."""
    some = ((name, one.take(rows)) for name, one in forecasts.items())
    return PartScore.of(some, world.truth[rows], world.scale[rows])


def parts_of(forecasts, world):
    """Give the first symbol without its oldest dates, then all the others."""
    one = np.flatnonzero(forecasts["zero"].symbols == "S0")
    others = np.flatnonzero(forecasts["zero"].symbols != "S0")
    rows = np.concatenate([one[20:], others])
    return [
        part_of(forecasts, world, one[20:]),
        part_of(forecasts, world, others),
    ], rows


def flat(row):
    """Every figure of a row by its name, None as NaN."""
    figures = {}
    for name, value in asdict(row).items():
        for key, one in value.items() if isinstance(value, dict) else [("", value)]:
            figures[name, key] = one
    return figures


def test_parts_add_up_to_the_rows_of_the_whole(world, beside):
    """Means, skills, intervals, tests and sets, though one has fewer dates."""
    parts, rows = parts_of(beside, world)
    whole = {name: one.take(rows) for name, one in beside.items()}
    expected = score_rows(whole, world.truth[rows], world.scale[rows])

    scored = score_parts(parts)

    assert len(scored.rows) == len(expected)
    for ours, theirs in zip(scored.rows, expected, strict=True):
        for name, value in flat(replace(theirs, direction_excess=None)).items():
            assert flat(ours)[name] == (
                pytest.approx(value, rel=1e-9, abs=1e-12)
                if isinstance(value, float | tuple)
                else value
            ), name


def test_the_verdict_is_that_of_the_whole(world, beside):
    """The same words, and how much stands behind them."""
    parts, rows = parts_of(beside, world)
    whole = {name: one.take(rows) for name, one in beside.items()}
    board = score(whole, world.truth[rows], world.scale[rows])

    scored = score_parts(parts)

    assert scored.verdict == board.verdict
    assert scored.why == board.why
    assert scored.num_windows == board.num_windows
    assert scored.num_dates == board.num_dates
    assert not scored.suspicious


def test_a_single_part_is_the_whole(make_world):
    """Of more steps than there are models."""
    world = make_world(symbols=2, sessions=70, horizon=8)
    forecasts = {
        "lstm": world.forecast(0.001),
        **{
            name: world.forecast(0.0, spread=spread)
            for name, spread in (
                *(("zero", 1.0), ("drift", 1.0), ("ewma_t", 1.2)),
                *(("har_t", 1.1), ("garch_t", 1.3)),
            )
        },
    }
    expected = score_rows(forecasts, world.truth, world.scale)
    scored = score_parts([part_of(forecasts, world, np.arange(len(world.truth)))])

    assert [(one.model, one.horizon, one.crps) for one in scored.rows] == [
        (one.model, one.horizon, pytest.approx(one.crps)) for one in expected
    ]
    assert {one.direction_excess for one in scored.rows} == {None}


def test_too_good_a_figure_is_suspicious(world, beside):
    """A forecast that knows its answer raises the alarm of R2."""
    known = world.forecast(0.0)
    cheat = replace(
        known,
        mean=world.truth,
        quantiles=known.quantiles * 0.1 + world.truth[..., None],
    )
    parts, _ = parts_of({**beside, "lstm": cheat}, world)

    scored = score_parts(parts)

    assert scored.suspicious
    assert scored.verdict.startswith("Suspicious, too good for prices")


def test_a_missing_baseline_is_named(world, beside):
    """No verdict without what it is measured against."""
    del beside["har_t"]
    parts, _ = parts_of(beside, world)
    with pytest.raises(SettingError, match="baseline har_t to judge against"):
        score_parts(parts)
