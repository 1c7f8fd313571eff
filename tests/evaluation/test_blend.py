"""A blend follows what came true in each market, and nothing that did not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import ndtri

from closecast.evaluation.blend import PRIOR_DATES, Blended, averaged
from closecast.evaluation.scores import crps
from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import Bars
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.leakage import run_leak_tests, same_day
from closecast.windows.peers import OTHER, markets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=3, horizon=5)
VOLATILITY = 0.02


@dataclass(frozen=True)
class Gaussian:
    """Zero mean and one width for all: right on a random walk at width 1."""

    width: float
    name: str = "gaussian"
    mean: float = 0.0

    def forecast(self, bars: Bars, cutoffs: np.ndarray) -> Forecast:
        steps = np.sqrt(np.arange(1, SPEC.horizon + 1))
        spread = self.width * VOLATILITY * steps[:, None] * ndtri(LEVELS)
        count = len(cutoffs)
        return Forecast(
            symbols=bars.names(cutoffs),
            cutoffs=bars.dates[cutoffs],
            target_dates=bars.dates[cutoffs][:, None] + np.arange(1, 6),
            last_close=bars.close[cutoffs],
            mean=np.full((count, SPEC.horizon), self.mean),
            quantiles=np.tile(self.mean + spread, (count, 1, 1)),
        )


@pytest.fixture(scope="module")
def bars():
    return random_walk(4, 500, volatility=VOLATILITY)


def blended(bars: Bars, own: float, other: float, day: int = 200) -> Blended:
    """Blend two widths from a day on."""
    return Blended(
        base=Gaussian(own),
        other=Gaussian(other),
        spec=SPEC,
        adapts_from=bars.dates[day],
    )


def test_a_model_that_is_right_stays_alone(bars):
    """Against a width that is wrong its share stays close to all."""
    share = blended(bars, 1.0, 1.8).shares(bars, cutoffs_with_targets(bars, SPEC))

    assert share.max() < 0.12


def test_a_model_that_is_wrong_gives_way(bars):
    """The right one has most of the forecast after 300 sessions, and none before."""
    rows = cutoffs_with_targets(bars, SPEC)
    share = blended(bars, 1.8, 1.0).shares(bars, rows)
    late = bars.dates[rows] >= bars.dates[480]

    assert share[late].mean() > 0.7
    assert not share[bars.dates[rows] <= bars.dates[200]].any()


def test_the_share_is_the_best_so_far_drawn_to_the_model(bars):
    """Of n dates: least CRPS on a grid of shares, times n / (n + 50)."""
    rows, day, step = cutoffs_with_targets(bars, SPEC), 320, 2
    model = blended(bars, 1.5, 0.8)
    share = model.shares(bars, rows)
    truth, unit = (
        WindowData.of(bars, SPEC).target(rows),
        WindowData.of(bars, SPEC).scale[rows],
    )
    came = bars.dates[rows + step + 1]
    known = (bars.dates[rows] >= model.adapts_from) & (came < bars.dates[day])
    ends = [one.forecast(bars, rows) for one in (model.base, model.other)]
    losses = [
        (crps(averaged(*ends, np.full(truth.shape, part)), truth)[:, step] / unit)[
            known
        ]
        for part in np.linspace(0, 1, 101)
    ]
    days = np.unique(came[known])
    means = [[one[came[known] == date].mean() for date in days] for one in losses]
    best = np.argmin(np.mean(means, axis=1)) / 100
    expected = best * len(days) / (len(days) + PRIOR_DATES)

    assert 0.2 < expected < 0.95
    assert share[bars.dates[rows] == bars.dates[day], step] == pytest.approx(
        expected, abs=0.02
    )


def losses_by_loops(model, bars, rows):
    """CRPS over volatility at shares of nothing, half and all; a step ahead of each."""
    truth = np.zeros((len(rows), SPEC.horizon))
    for n, row in enumerate(rows):
        for step in range(1, SPEC.horizon + 1):
            if row + step < bars.ends[row]:
                truth[n, step - 1] = np.log(bars.close[row + step] / bars.close[row])
    ends = [one.forecast(bars, rows) for one in (model.base, model.other)]
    scale = WindowData.of(bars, SPEC).scale[rows]
    three = [
        crps(averaged(*ends, np.full(truth.shape, part)), truth)
        for part in (0.0, 0.5, 1.0)
    ]
    return np.stack(three, axis=-1) / scale[:, None, None]


def share_by_loops(bars, rows, losses, at, step):
    """The share at a row, from each window that had come in its market by then."""
    market, come = markets(bars), {}
    for row, loss in zip(rows, losses[:, step - 1], strict=True):
        if market[row] != market[at] or row + step >= bars.ends[row]:
            continue
        date, today = bars.dates[row + step], bars.dates[at]
        if date < today or (date == today and market[at] != OTHER):
            come.setdefault(date, []).append(loss)
    if not come:
        return 0.0
    mean = np.mean([np.mean(one, axis=0) for one in come.values()], axis=0)
    square, linear, _ = np.polyfit([0.0, 0.5, 1.0], mean, 2)
    best = min(max(-linear / (2 * square), 0.0), 1.0)
    return best * len(come) / (len(come) + PRIOR_DATES)


def restless(bars):
    """The same bars, moving more and more, and a symbol's last ones missing."""
    louder = np.linspace(0.3, 2.0, len(bars))
    close = bars.close**louder
    values = np.column_stack([close, close, close, close, np.ones(len(bars))])
    keep = np.ones(len(bars), bool)
    keep[bars.ends[0] - 30 : bars.ends[0]] = False
    return replace(bars, values=values).select(keep)


@pytest.mark.parametrize(("own", "other"), [(1.6, 0.9), (0.8, 1.6), (6.0, 3.0)])
@pytest.mark.parametrize("known", [True, False])
def test_the_share_is_what_loops_over_windows_give(two_markets, known, own, other):
    """In markets that are known and in one that is not, from few dates and many."""
    if known:
        bars, day = restless(two_markets), np.datetime64("2011-11-01")
    else:
        bars, day = restless(random_walk(3, 120, seed=4)), np.datetime64("2010-04-28")
    model = Blended(
        base=Gaussian(own), other=Gaussian(other, mean=0.01), spec=SPEC, adapts_from=day
    )
    rows = np.flatnonzero(bars.dates >= day)
    losses = losses_by_loops(model, bars, rows)
    asked = rows[
        np.isin(bars.dates[rows], np.unique(bars.dates[rows])[[0, 3, 8, 20, -1]])
    ]

    assert np.all((markets(bars)[asked] != OTHER) == known)

    found = model.shares(bars, asked)

    for n, at in enumerate(asked):
        for step in (1, 2, 5):
            expected = share_by_loops(bars, rows, losses, at, step)
            assert found[n, step - 1] == pytest.approx(expected, abs=1e-9)
    assert found.max() > 0.05


def test_an_average_is_between_both(bars):
    """Mean and quantiles, by the same share of each window and step."""
    own, other = (
        one.forecast(bars, np.array([10, 11]))
        for one in (Gaussian(1.0, mean=0.01), Gaussian(2.0, mean=-0.03))
    )
    share = np.array([[0.0, 0.25, 0.5, 0.75, 1.0], [1.0, 0.9, 0.3, 0.2, 0.0]])
    found = averaged(own, other, share)

    for window in range(2):
        for step in range(5):
            part = share[window, step]
            assert found.mean[window, step] == pytest.approx(0.01 - 0.04 * part)
            np.testing.assert_allclose(
                found.quantiles[window, step],
                own.quantiles[window, step]
                + part * (other.quantiles - own.quantiles)[window, step],
                atol=1e-15,
            )


def test_no_forecast_sees_what_has_not_come(bars):
    """Every leak test passes though outcomes are read all the time."""
    model = blended(bars, 1.6, 1.0)
    rows = cutoffs_with_targets(bars, SPEC)

    for result in run_leak_tests(model, bars, rows[bars.dates[rows] > bars.dates[210]]):
        assert result.passed is not False, result.detail


def test_a_blend_that_peeks_is_caught(bars):
    """One that counts outcomes a session early fails the leak tests."""

    class Peeking(Blended):
        def _arrived(self, bars, rows, step):
            known, came = super()._arrived(bars, rows, step)
            return known, came - np.timedelta64(4, "D")

    fair = blended(bars, 1.6, 1.0)
    cheat = Peeking(
        base=fair.base, other=fair.other, spec=SPEC, adapts_from=fair.adapts_from
    )
    rows = cutoffs_with_targets(bars, SPEC)
    results = run_leak_tests(cheat, bars, rows[bars.dates[rows] > bars.dates[210]])

    assert any(result.passed is False for result in results)


def test_seoul_learns_nothing_from_new_york(two_markets):
    """Neither at the close of the same date nor later."""
    bars = two_markets
    model = Blended(
        base=Gaussian(1.6),
        other=Gaussian(1.0),
        spec=SPEC,
        adapts_from=np.datetime64("2011-01-03"),
    )
    rows = cutoffs_with_targets(bars, SPEC)
    asked = rows[bars.dates[rows] > np.datetime64("2011-02-01")]
    hours = {"K": 6.5, "L": 6.5, "N": 21.0, "O": 21.0}
    assert same_day(model, bars, asked, hours).passed

    values = np.array(bars.values)
    new_york = np.isin(np.array(bars.symbols)[bars.symbol_ids], ["N", "O"])
    values[new_york & (bars.dates > np.datetime64("2011-03-01")), :4] *= 2.0
    seoul = asked[~new_york[asked]]
    np.testing.assert_array_equal(
        model.shares(replace(bars, values=values), seoul), model.shares(bars, seoul)
    )


def test_tables_call_it_by_the_model_that_is_blended(bars):
    """The other one is part of it, not of its name."""
    blend = blended(bars, 1.0, 1.5)

    assert replace(blend, base=Gaussian(1.0, name="model")).name == "model"


def test_no_cutoff_is_no_forecast(bars):
    """Nothing asked, nothing given."""
    assert len(blended(bars, 1.0, 1.5).forecast(bars, np.array([], np.int64))) == 0
