"""Intervals that learn from what they missed, and never from what is to come."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from closecast.errors import WindowError
from closecast.evaluation.conformal import (
    MEDIAN,
    NOMINAL,
    PROBABILITIES,
    Calibrated,
    Conformal,
    Promise,
    fit_conformal,
    missed,
    rows_that_count,
    stretched,
)
from closecast.evaluation.scores import hits
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
        rows = cutoffs[:, None] + np.arange(1, SPEC.horizon + 1)
        return Forecast(
            symbols=np.asarray(bars.symbols)[bars.symbol_ids[cutoffs]],
            cutoffs=bars.dates[cutoffs],
            target_dates=np.where(
                rows < bars.ends[cutoffs][:, None],
                bars.dates[np.minimum(rows, len(bars) - 1)],
                np.datetime64("2100-01-01"),
            ),
            last_close=bars.close[cutoffs],
            mean=np.full((len(cutoffs), SPEC.horizon), self.mean),
            quantiles=np.tile(self.mean + spread, (len(cutoffs), 1, 1)),
        )


@pytest.fixture(scope="module")
def bars():
    return random_walk(4, 700, volatility=VOLATILITY)


def promises_by_loops(model, bars, code):
    """The promise of each date of a market, from all windows that came true by then."""
    horizon, first = SPEC.horizon, model.conformal.adapts_from
    rows = [n for n in np.flatnonzero(markets(bars) == code) if bars.dates[n] >= first]
    promise, promises, settled = np.tile(NOMINAL, (horizon, 1)), {}, set()
    for today in sorted({bars.dates[row] for row in rows}):
        come = []
        for row in rows:
            if row in settled or row + horizon >= bars.ends[row]:
                continue
            done = bars.dates[row + horizon]
            if done < today or (done == today and code != OTHER):
                settled.add(row)
                come.append(row)
        misses = []
        for row in come:
            plain = model.base.forecast(bars, np.array([row])).quantiles[0]
            factors = model.conformal.factors(promises[bars.dates[row]])
            ahead = bars.close[row + 1 : row + 1 + horizon]
            truth = np.log(ahead / bars.close[row])[:, None]
            median = plain[:, MEDIAN, None]
            high = median + factors * (plain[:, :MEDIAN:-1] - median)
            low = median + factors * (plain[:, :MEDIAN] - median)
            misses.append((truth < low) | (truth > high))
        if misses:
            moved = np.mean(misses, axis=0) - (1 - NOMINAL)
            promise = promise + model.step_size * moved
        promises[today] = promise
    return promises


def parts(bars: Bars, cut: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows into a validation and a test block."""
    every = cutoffs_with_targets(bars, SPEC)
    dates = bars.dates[every]
    day = bars.dates[cut]
    return every[bars.dates[every + SPEC.horizon] < day], every[dates >= day]


def calibrated(bars: Bars, width: float, cut: int, **more: float) -> Calibrated:
    """Calibrate a Gaussian before a row's date."""
    base = Gaussian(width)
    validation, _ = parts(bars, cut)
    truth = WindowData.of(bars, SPEC).target(validation)
    conformal = fit_conformal(base.forecast(bars, validation), truth, bars.dates[cut])
    return Calibrated(base=base, conformal=conformal, spec=SPEC, **more)


class TestSplitConformal:
    @pytest.mark.parametrize("width", [0.4, 1.0, 3.0])
    @pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
    def test_the_wrong_width_is_put_right(self, bars, width, coverage):
        """Once calibrated, intervals hold what they promise, whatever they were."""
        model = calibrated(bars, width, 350, step_size=0.0)
        _, test = parts(bars, 350)
        truth = WindowData.of(bars, SPEC).target(test)

        held = hits(model.forecast(bars, test), truth, coverage).mean(axis=0)

        np.testing.assert_allclose(held, coverage, atol=0.06)

    def test_the_factor_is_the_conformal_rank(self):
        """Of 99 scores the 95th is the 95 % factor: ceil(100 x 0.95)."""
        bars = random_walk(1, 99 + SPEC.length - 1, volatility=VOLATILITY)
        validation = cutoffs_with_targets(bars, SPEC)
        forecast = Gaussian(1.0).forecast(bars, validation)
        truth = WindowData.of(bars, SPEC).target(validation)
        conformal = fit_conformal(forecast, truth, bars.dates[-1])
        edge = forecast.quantiles[0, 2, -1]
        expected = np.sort(np.abs(truth[:, 2]))[94] / edge

        factors = conformal.factors(np.full((5, MEDIAN), 0.95))

        assert len(validation) == 99
        np.testing.assert_allclose(factors[2, 0], expected, rtol=1e-9)

    @given(coverage=st.floats(-0.2, 1.2))
    def test_a_factor_lies_between_two_scores(self, coverage):
        """On a line between the kept ones; the outermost beyond them."""
        random = np.random.default_rng(3)
        table = np.sort(random.exponential(size=(5, MEDIAN, len(PROBABILITIES))))
        conformal = Conformal(adapts_from=np.datetime64("2020-01-01"), table=table)

        found = conformal.factors(np.full((5, MEDIAN), coverage))

        for step in (0, 4):
            for level in (0, MEDIAN - 1):
                expected = np.interp(coverage, PROBABILITIES, table[step, level])
                assert found[step, level] == pytest.approx(expected)

    def test_forty_windows_are_enough(self, bars):
        """Each score of the table is one of those that were measured."""
        some = cutoffs_with_targets(bars, SPEC)[:40]
        forecast, truth = Gaussian(1.0).forecast(bars, some), np.ones((40, 5))
        table = fit_conformal(forecast, truth, bars.dates[50]).table

        expected = 1 / forecast.quantiles[0, :, :MEDIAN:-1]
        np.testing.assert_allclose(table[..., 0], expected)
        np.testing.assert_allclose(table[..., -1], expected)

    def test_too_few_windows_are_refused(self, bars):
        """A tail of 39 windows cannot promise 95 %."""
        few = cutoffs_with_targets(bars, SPEC)[:39]
        forecast = Gaussian(1.0).forecast(bars, few)

        with pytest.raises(WindowError, match="at least 40 validation windows"):
            fit_conformal(forecast, np.ones((39, 5)), bars.dates[50])

    def test_it_comes_back_from_json_to_the_bit(self, bars):
        """Plain values hold the whole calibration."""
        conformal = calibrated(bars, 0.7, 350).conformal
        values = json.loads(json.dumps(conformal.to_dict()))
        again = Conformal.of(values, SPEC.horizon)

        assert again.adapts_from == conformal.adapts_from
        assert again.table.tobytes() == conformal.table.tobytes()
        with pytest.raises(ValueError, match="a table of"):
            Conformal.of(values, SPEC.horizon + 1)
        values["table"][0][0][0] = float("nan")
        with pytest.raises(ValueError, match="not finite"):
            Conformal.of(values, SPEC.horizon)


class TestAdaptive:
    def test_the_newest_promise_is_what_a_forecast_stretches_by(self, bars):
        """What a ledger goes on from is what the last date was published with."""
        model = calibrated(bars, 0.7, 350, step_size=0.05)
        newest = np.flatnonzero(bars.dates == bars.dates.max())

        promise = model.promise(bars)
        factors = model.conformal.factors(promise.coverage)
        found = stretched(model.base.forecast(bars, newest), factors)

        assert model.name == "gaussian"
        assert not np.array_equal(promise.coverage, Promise.nominal(5).coverage)
        np.testing.assert_allclose(
            found.quantiles, model.forecast(bars, newest).quantiles, rtol=1e-12
        )

    def test_before_it_adapts_the_promise_is_the_nominal_one(self, bars):
        """Cutoffs of the block that it was fitted on are stretched alike."""
        model = calibrated(bars, 0.7, 350, step_size=0.05)
        early = cutoffs_with_targets(bars, SPEC)
        early = early[bars.dates[early] < model.conformal.adapts_from]

        factors = model.conformal.factors(Promise.nominal(5).coverage)
        found = stretched(model.base.forecast(bars, early), factors)

        np.testing.assert_array_equal(
            found.quantiles, model.forecast(bars, early).quantiles
        )

    def test_a_miss_is_a_truth_outside(self, bars):
        """On either side; the edge itself is inside."""
        forecast = Gaussian(1.0).forecast(bars, np.array([10, 11, 12]))
        low, high = forecast.quantiles[0, :, 1], forecast.quantiles[0, :, -2]
        truth = np.stack([np.zeros(5), low, high + 1e-9])
        assert not missed(forecast, np.stack([low, high, high]))[:, :, :2].any()

        found = missed(forecast, truth)

        assert not found[0].any()
        assert found[1].sum(axis=-1).tolist() == [MEDIAN - 2] * 5
        assert not found[1, :, :2].any()
        assert found[2, :, 1:].all()
        assert not found[2, :, 0].any()

    def test_no_forecast_sees_what_has_not_matured(self, bars):
        """Every leak test passes though the forecaster reads outcomes all the time."""
        model = calibrated(bars, 0.7, 350, step_size=0.05)
        _, test = parts(bars, 350)

        for result in run_leak_tests(model, bars, test):
            assert result.passed is not False, result.detail

    def test_an_outcome_counts_from_its_last_target_on(self, bars):
        """A shock moves promises from its date on, and none before.

        Of a market that is not known, as here, from the date after.
        """
        model = calibrated(bars, 1.0, 350, step_size=0.05)
        _, test = parts(bars, 350)
        day = 500
        values = np.array(bars.values)
        values[bars.dates >= bars.dates[day], :4] *= 3.0
        shocked = replace(bars, values=values)
        before, after = (
            m.forecast(b, test) for m, b in ((model, bars), (model, shocked))
        )
        moved = (before.quantiles != after.quantiles).any(axis=(1, 2))

        assert not moved[before.cutoffs <= bars.dates[day]].any()
        assert moved[before.cutoffs == bars.dates[day + 1]].all()

    def test_seoul_learns_nothing_from_new_york(self, two_markets):
        """Nothing at the close of the same date, which is hours earlier, nor later."""
        bars, cut = two_markets, 300
        model = calibrated(bars, 0.7, cut, step_size=0.05)
        _, test = parts(bars, cut)
        hours = {"K": 6.5, "L": 6.5, "N": 21.0, "O": 21.0}
        assert same_day(model, bars, test, hours).passed

        values = np.array(bars.values)
        there = np.isin(np.array(bars.symbols)[bars.symbol_ids], ["N", "O"])
        values[there & (bars.dates > np.datetime64("2011-06-01")), :4] *= 2.0
        seoul = test[~there[test]]
        before, after = (
            model.forecast(b, seoul).quantiles
            for b in (bars, replace(bars, values=values))
        )
        np.testing.assert_array_equal(before, after)

    def test_it_is_the_recursion_of_the_paper(self):
        """One symbol, step by step: alpha + gamma x (alpha - miss)."""
        bars = random_walk(1, 300, volatility=VOLATILITY)
        model = calibrated(bars, 0.5, 150, step_size=0.02)
        _, test = parts(bars, 150)
        forecast = model.forecast(bars, test)
        plain = model.base.forecast(bars, test)
        truth = WindowData.of(bars, SPEC).target(test)
        alpha, step = np.full(len(test), 0.2), 1
        widest = int(np.argmin(np.abs(NOMINAL - 0.8)))
        for t in range(len(test)):
            if t:
                alpha[t] = alpha[t - 1]
            if t > SPEC.horizon:  # the window that matured a cutoff before
                old = t - SPEC.horizon - 1
                miss = (
                    abs(truth[old, step]) > forecast.quantiles[old, step, -1 - widest]
                )
                alpha[t] += 0.02 * (0.2 - miss)
        table = model.conformal.table[step, widest]
        factor = np.interp(1 - alpha, PROBABILITIES, table)

        np.testing.assert_allclose(
            forecast.quantiles[:, step, -1 - widest],
            plain.quantiles[:, step, -1 - widest] * factor,
            rtol=1e-9,
        )

    @pytest.mark.parametrize("known", [True, False])
    def test_the_promise_is_what_loops_over_windows_give(self, two_markets, known):
        """Of two symbols that miss sessions, in a market that is known and in none."""
        if known:
            bars, late = two_markets, two_markets.dates >= np.datetime64("2011-10-20")
        else:
            bars = random_walk(2, 260, volatility=VOLATILITY, seed=2)
            late = bars.dates >= np.datetime64("2010-11-01")
        lost = late & (np.random.default_rng(2).random(len(bars)) < 0.2)
        bars = bars.select(~lost)
        start = bars.dates[late[~lost]].min()
        code = markets(bars)[np.flatnonzero(bars.dates >= start)[0]]
        assert bool(code != OTHER) is known
        base = Gaussian(0.6, mean=0.004)
        rows = cutoffs_with_targets(bars, SPEC)
        rows = rows[bars.dates[rows + SPEC.horizon] < start]
        truth = WindowData.of(bars, SPEC).target(rows)
        conformal = fit_conformal(base.forecast(bars, rows), truth, start)
        model = Calibrated(base=base, conformal=conformal, spec=SPEC, step_size=0.05)
        promises = promises_by_loops(model, bars, code)

        asked = np.flatnonzero((markets(bars) == code) & (bars.dates >= start))
        for part in (asked, asked[bars.dates[asked] >= bars.dates[asked].max() - 9]):
            found = model.forecast(bars, part).quantiles
            for n, row in enumerate(part):
                one = base.forecast(bars, np.array([row]))
                factors = conformal.factors(promises[bars.dates[row]])
                np.testing.assert_allclose(
                    found[n], stretched(one, factors).quantiles[0]
                )

    def test_rows_that_count_are_the_asked_and_those_that_may_move_them(self, bars):
        """From the date of adaption on, before the newest that is asked."""
        first, newest = bars.dates[300], bars.dates[320]
        asked = np.array([5, 310, 320])
        expected = [
            row
            for row in range(len(bars))
            if row - bars.starts[row] >= SPEC.context_length - 1
            and first <= bars.dates[row] < newest
        ]
        found = rows_that_count(bars, asked, SPEC, first)

        assert found.tolist() == sorted({*expected, *asked.tolist()})

    def test_a_market_that_turns_wild_is_followed(self):
        """Volatility doubles after calibration: adapting covers better than not."""
        calm, wild = (random_walk(4, 800, volatility=v) for v in (0.02, 0.04))
        late = np.arange(len(calm)) - calm.starts >= 300
        returns = [np.diff(np.log(b.close), prepend=0.0) for b in (calm, wild)]
        mixed = np.where(late, returns[1], returns[0])
        mixed[calm.offsets[:-1]] = 0.0
        close = np.exp(np.concatenate([np.cumsum(mixed[s:e]) for _, s, e in calm]))
        values = np.column_stack([close, close, close, close, np.ones(len(close))])
        bars = replace(calm, values=values)
        _, test = parts(bars, 300)
        truth = WindowData.of(bars, SPEC).target(test)
        gaps = []
        for size in (0.0, 0.02):
            model = calibrated(bars, 1.0, 300, step_size=size)
            held = hits(model.forecast(bars, test), truth, 0.8).mean(axis=0)
            gaps.append(np.abs(held - 0.8).max())

        assert gaps[1] < gaps[0] / 2

    @given(width=st.floats(0.1, 5.0), seed=st.integers(0, 20))
    def test_quantiles_never_cross(self, width, seed):
        """A wider interval holds a narrower one; mean and median stay."""
        bars = random_walk(2, 160, volatility=VOLATILITY, seed=seed)
        model = calibrated(bars, width, 90, step_size=0.1)
        _, test = parts(bars, 90)
        forecast, plain = (m.forecast(bars, test) for m in (model, model.base))

        assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()
        np.testing.assert_array_equal(forecast.mean, plain.mean)
        np.testing.assert_array_equal(forecast.quantile(0.5), plain.quantile(0.5))

    def test_no_cutoff_is_no_forecast(self, bars):
        """Nothing asked, nothing given."""
        model = calibrated(bars, 1.0, 350)

        assert len(model.forecast(bars, np.array([], dtype=np.int64))) == 0
