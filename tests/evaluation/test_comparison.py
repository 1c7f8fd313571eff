"""Models are compared date by date, with the same draws for all."""

import numpy as np
import pytest

from closecast.evaluation.comparison import compare, compare_steps
from closecast.evaluation.resampling import block_length, confidence_set, resample

DAYS = np.arange("2020-01-01", 90, dtype="datetime64[D]")
DATES = np.concatenate([DAYS, DAYS[10:]])  # the second symbol is younger


@pytest.fixture
def losses():
    """Three models, the judged one first."""
    random = np.random.default_rng(3)
    own = random.exponential(size=170)
    slow = np.cumsum(random.normal(size=90))[DATES.astype(int) - DAYS[0].astype(int)]
    return {
        "own": own,
        "worse": own + 0.3 + 0.05 * (slow - slow.min()),
        "other": random.exponential(size=170),
    }


def by_date(loss):
    """Sums and means of each date, by a loop."""
    sums = np.array([loss[date == DATES].sum() for date in DAYS])
    means = np.array([loss[date == DATES].mean() for date in DAYS])
    return sums, means


def test_means_are_over_windows_and_series_over_dates(losses):
    """A date of two symbols counts twice in the one and once in the other."""
    found = compare(losses, DATES, 1)

    for name, loss in losses.items():
        assert found.mean(name) == pytest.approx(loss.mean())
        np.testing.assert_allclose(found.by_date(name), by_date(loss)[1])
    expected = losses["own"].mean() / losses["other"].mean()
    assert found.ratio("own", "other") == pytest.approx(expected)


@pytest.mark.parametrize("power", [1, 0.5])
def test_an_interval_is_that_of_the_drawn_ratios(losses, power):
    """From the fifth to the ninety-fifth hundredth of 1 - ratio ** power."""
    found = compare(losses, DATES, 2).ratio_intervals("own", ["worse", "other"], power)
    sums = np.stack([by_date(loss)[0] for loss in losses.values()], axis=-1)
    block = block_length(sums[:, 1:] - sums[:, :1], 2)
    draws = resample(sums, block)
    assert block > 4

    small = {name: 1e-6 * loss for name, loss in losses.items()}
    again = compare(small, DATES, 2).ratio_intervals("own", ["worse", "other"], power)
    for place, name in enumerate(losses):
        if name != "own":
            assert again[name] == pytest.approx(found[name])
            skills = sorted(1 - (own / b) ** power for own, b in draws[:, [0, place]])
            expected = np.interp([0.05, 0.95], np.linspace(0, 1, 1000), skills)
            assert found[name] == pytest.approx(tuple(expected))


def test_the_set_is_that_of_means_over_dates(losses):
    """A date counts once, and blocks are as long as the differences ask for."""
    losses = {**losses, "poor": losses["own"] + 0.4 + 0.01 * losses["other"]}
    sums, means = (
        np.stack(one, axis=-1)
        for one in zip(*(by_date(loss) for loss in losses.values()), strict=True)
    )
    expected = confidence_set(means, block_length(sums[:, 1:] - sums[:, :1], 2))
    found = compare(losses, DATES, 2)

    assert [found.holds(name) for name in losses] == expected.tolist()
    assert not found.holds("poor")


def test_a_baseline_that_may_have_no_loss_has_no_interval(losses):
    """Nothing is divided by 0."""
    found = compare({**losses, "exact": 0 * losses["own"]}, DATES, 1)
    intervals = found.ratio_intervals("own", ["exact", "worse"], 1)

    assert intervals["exact"] is None
    assert intervals["worse"] is not None


@pytest.mark.parametrize("names", [("own",), ("own", "other")])
@pytest.mark.parametrize("dates", [19, 20])
def test_draws_need_dates_and_somebody_to_compare_with(losses, names, dates):
    """Fewer dates, or a single model, say nothing of chance."""
    few = {name: losses[name][:dates] for name in names}
    found = compare(few, DATES[:dates], 1)

    known = dates == 20 and len(names) == 2
    assert (found.draws is not None) is known
    assert (found.holds("own") is not None) is known
    assert (found.ratio_intervals("own", ["own"], 1)["own"] is not None) is known


def test_each_step_has_its_own_losses(losses):
    """Step by step, counted from 1."""
    both = {name: np.stack([loss, 2 * loss + 1], 1) for name, loss in losses.items()}
    first, second = compare_steps(both, DATES)

    assert (first.step, second.step) == (1, 2)
    for name, loss in losses.items():
        assert first.mean(name) == pytest.approx(loss.mean())
        assert second.mean(name) == pytest.approx(2 * loss.mean() + 1)
