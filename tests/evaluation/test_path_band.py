"""A band of the path holds whole paths, and knows its calibration windows alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import ModelError, WindowError
from closecast.evaluation.calibration import (
    MIN_EFFECTIVE,
    effective_trials,
    kupiec,
)
from closecast.evaluation.conformal import MIN_WINDOWS, fit_conformal
from closecast.evaluation.path_band import (
    MAX_WINDOWS,
    Banded,
    PathBand,
    calibration_windows,
    fit_path_band,
    path_coverage,
)
from closecast.forecast import MEDIAN, NOMINAL
from closecast.models.baselines import fit_ewma_t
from closecast.testing import garch_walk
from closecast.windows import WindowData, WindowSpec, split_by_date

SPEC = WindowSpec(context_length=3, horizon=5)


@pytest.fixture(scope="module")
def market():
    """GARCH walks: forecasts and truth of the validation and of the test block."""
    bars = garch_walk(60, 900, seed=3)
    split = split_by_date(bars, SPEC, "2011-06-01", "2012-06-01")
    model = fit_ewma_t(bars, split.train, SPEC)
    data = WindowData.of(bars, SPEC)
    return (
        bars,
        model,
        split,
        *(
            (model.forecast(bars, rows), data.target(rows))
            for rows in (split.validation, split.test)
        ),
    )


def inside(forecast, truth, coverage):
    """Share of the paths inside the band."""
    low, high = forecast.path_interval(coverage)
    return float(((low <= truth) & (truth <= high)).all(axis=1).mean())


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_whole_paths_stay_inside_as_often_as_promised(market, coverage):
    """On walks with GARCH noise the share is within 2 points of the promise."""
    *_, (known, came), (ahead, truth) = market
    banded = fit_path_band(known, came).around(ahead)

    assert abs(inside(banded, truth, coverage) - coverage) < 0.02


def test_the_intervals_of_the_steps_hold_far_fewer_paths(market):
    """Taken together, 80 % intervals hold at most 65 % of the paths."""
    *_, (known, came), (ahead, truth) = market
    found = path_coverage(fit_path_band(known, came).around(ahead), truth)

    assert [one.nominal for one in found] == [0.5, 0.8, 0.95]
    assert found[1].stepwise < 0.65
    assert found[1].coverage > 0.78
    assert found[1].num_windows == len(truth)
    assert found[1].kupiec_p is not None


@pytest.mark.parametrize(("coverage", "each"), [(0.5, 0.9), (0.75, 0.95)])
def test_bonferroni_holds_more_than_it_promises(market, coverage, each):
    """Asking 1 - a/5 of every step is too wide, for steps share their sessions."""
    *_, (known, came), (ahead, truth) = market
    level = int(np.argmin(np.abs(NOMINAL - each)))
    table = fit_conformal(known, came, np.datetime64("2012-06-01"))
    factors = table.factors(np.tile(NOMINAL, (SPEC.horizon, 1)))[:, level]
    median = ahead.quantile(0.5)
    low = median + factors * (ahead.quantile(0.5 - each / 2) - median)
    high = median + factors * (ahead.quantile(0.5 + each / 2) - median)
    held = ((low <= truth) & (truth <= high)).all(axis=1).mean()
    own = inside(fit_path_band(known, came).around(ahead), truth, coverage)

    assert held > coverage + 0.07
    assert abs(own - coverage) < 0.02


def test_the_rank_is_that_of_finite_samples(market):
    """Of n windows the factor is the ceil((n + 1) p)th smallest worst step."""
    *_, (known, came), _ = market
    rows = np.arange(0, 4 * MIN_WINDOWS)
    some, truth = known.take(rows), came[rows]
    median = some.quantile(0.5)
    edges = np.where(truth > median, some.quantile(0.9), some.quantile(0.1))
    worst = np.sort(((truth - median) / (edges - median)).max(axis=1))
    expected = worst[int(np.ceil((len(rows) + 1) * 0.8)) - 1]

    place = int(np.argmin(np.abs(NOMINAL - 0.8)))
    assert fit_path_band(some, truth).factors[place] == pytest.approx(expected)


def test_coverage_is_what_loops_over_paths_give(market):
    """The whole path inside the band, and inside each step's own interval."""
    *_, (known, came), (ahead, truth) = market
    rows = np.arange(0, len(truth), 37)
    some, truth = fit_path_band(known, came).around(ahead).take(rows), truth[rows]
    for found in path_coverage(some, truth):
        low, high = some.path_interval(found.nominal)
        tail = round((1 - found.nominal) / 2, 9)
        least, most = some.quantile(tail), some.quantile(1 - tail)
        held, stepwise = [], 0
        for n, path in enumerate(truth):
            held.append(all(a <= one <= b for a, one, b in
                            zip(low[n], path, high[n], strict=True)))  # fmt: skip
            stepwise += all(a <= one <= b for a, one, b in
                            zip(least[n], path, most[n], strict=True))  # fmt: skip
        trials = effective_trials(np.array(held), some.cutoffs, SPEC.horizon)

        assert found.coverage == pytest.approx(np.mean(held))
        assert found.stepwise == pytest.approx(stepwise / len(truth))
        assert found.num_effective == pytest.approx(trials)
        expected = kupiec(found.coverage, found.nominal, trials)
        assert found.kupiec_p == pytest.approx(expected)
        assert found.to_dict()["num_windows"] == len(rows)


@pytest.mark.parametrize("dates", [MIN_EFFECTIVE - 1, MIN_EFFECTIVE])
def test_the_fewest_trials_are_tested(market, dates):
    """Paths that are all inside count as dates that do not overlap."""
    *_, (known, came), (ahead, _) = market
    days = np.unique(ahead.cutoffs)[: SPEC.horizon * dates]
    rows = np.flatnonzero(np.isin(ahead.cutoffs, days))
    some = fit_path_band(known, came).around(ahead.take(rows))
    found = path_coverage(some, some.quantile(0.5))

    assert {one.coverage for one in found} == {1.0}
    assert all((one.kupiec_p is not None) is (dates == 20) for one in found)


def test_the_edge_of_a_band_is_inside(market):
    """From below and from above."""
    *_, (known, came), (ahead, _) = market
    some = fit_path_band(known, came).around(ahead.take(np.arange(30)))
    for edge in (0, 1):
        found = path_coverage(some, some.path_interval(0.8)[edge])
        assert found[1].coverage == 1.0


def test_a_band_says_what_it_was_measured_on(market):
    """Windows, their first cutoff and their last target; forty are enough."""
    *_, (known, came), _ = market
    rows = np.arange(MIN_WINDOWS)
    some = known.take(rows)
    band = fit_path_band(some, came[rows])

    assert band.num_windows == MIN_WINDOWS
    assert band.first_date == str(min(some.cutoffs))
    assert band.last_date == str(some.target_dates[:, -1].max())


def test_a_wider_band_holds_a_narrower_one(market):
    """Bands are nested at every step, and hold the median."""
    *_, (known, came), (ahead, _) = market
    banded = fit_path_band(known, came).around(ahead)
    (low, high), (lower, higher) = (banded.path_interval(c) for c in (0.5, 0.8))

    assert np.all(lower <= low)
    assert np.all(low < ahead.quantile(0.5))
    assert np.all(high <= higher)


def test_bars_after_the_calibration_change_no_band(market):
    """Every bar of the test block replaced: the same factors to the last bit."""
    bars, model, split, (known, came), _ = market
    values = bars.values.copy()
    late = bars.dates >= split.test_start
    values[late] *= np.random.default_rng(1).uniform(0.5, 2.0, late.sum())[:, None]
    other = replace(bars, values=values)
    truth = WindowData.of(other, SPEC).target(split.validation)
    again = fit_path_band(model.forecast(other, split.validation), truth)

    assert np.array_equal(again.factors, fit_path_band(known, came).factors)
    assert np.datetime64(again.last_date) < split.test_start


def test_a_forecaster_carries_its_band(market):
    """Quantiles stay, and the band comes with every window."""
    bars, model, split, (known, came), _ = market
    band = fit_path_band(known, came)
    voice = Banded(base=model, band=band)
    made = voice.forecast(bars, split.test[:7])

    assert voice.name == model.name
    plain = model.forecast(bars, split.test[:7])
    assert np.array_equal(made.quantiles, plain.quantiles)
    assert np.array_equal(made.take(np.array([3])).path_stretch[0], band.factors)
    assert path_coverage(plain, np.zeros((7, 5))) == ()


def test_a_forecast_without_a_band_says_what_to_do(market):
    """No band is made up where none was measured."""
    *_, (ahead, _) = market

    with pytest.raises(ModelError, match="with a band of the path, got one without"):
        ahead.path_interval(0.8)


def test_too_few_windows_measure_no_band(market):
    """Forty windows are asked for, as for the intervals of a step."""
    *_, (known, came), _ = market
    rows = np.arange(MIN_WINDOWS - 1)

    with pytest.raises(WindowError, match="at least 40 validation windows"):
        fit_path_band(known.take(rows), came[rows])


def test_a_large_panel_is_measured_on_some_windows():
    """At most so many, evenly spaced, the first and the last among them."""
    some = calibration_windows(np.arange(3 * MAX_WINDOWS))

    assert len(some) == MAX_WINDOWS
    assert (some[0], some[-1]) == (0, 3 * MAX_WINDOWS - 1)
    assert np.array_equal(calibration_windows(np.arange(5)), np.arange(5))


def test_a_band_is_written_and_read_to_the_last_bit(market):
    """JSON and back gives the same band."""
    *_, (known, came), _ = market
    band = fit_path_band(known, came)
    narrow = replace(band, factors=band.factors / 10)  # of intervals that were too wide
    for one in (band, narrow):
        again = PathBand.of(json.loads(json.dumps(one.to_dict())))

        assert again.to_dict() == one.to_dict()


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ([1.0], "factors of"),
        ([0.0] * MEDIAN, "not positive"),
        ([1.0] * (MEDIAN - 1) + [float("inf")], "not positive"),
    ],
)
def test_a_forged_band_is_refused(market, factors, said):
    """Another number of factors, or one that turns an interval around."""
    *_, (known, came), _ = market
    forged = fit_path_band(known, came).to_dict() | {"factors": factors}

    with pytest.raises(ValueError, match=said):
        PathBand.of(forged)
