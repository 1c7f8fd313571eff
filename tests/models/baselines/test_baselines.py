"""The baselines are causal, complete and the same forecasters for everybody."""

import arch  # noqa: F401  threads are set of a BLAS that is loaded
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from closecast.market.bars import Bars, from_columns
from closecast.models.baselines import fit_baselines
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.leakage import run_leak_tests
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=7, horizon=3)


def _noise_after(bars, date, seed):
    """Replace every bar after a date by noise."""
    values = bars.values.copy()
    late = bars.dates > date
    noise = np.exp(np.random.default_rng(seed).normal(3, 1, int(late.sum())))
    values[late, :4] = noise[:, None]
    return Bars(
        symbols=bars.symbols, offsets=bars.offsets, dates=bars.dates, values=values
    )


def _train_before(bars, date):
    cutoffs = cutoffs_with_targets(bars, SPEC)
    return cutoffs[bars.dates[cutoffs + SPEC.horizon] <= date]


class TestFitBaselines:
    def test_gives_all_in_order(self, walk):
        """Tables find each baseline under its name."""
        fitted = fit_baselines(walk, cutoffs_with_targets(walk, SPEC), SPEC)

        assert [forecaster.name for forecaster in fitted] == [
            *("zero", "drift", "moving_average", "historical", "theta"),
            *("ewma_t", "har_t", "garch_t", "gjr_t", "ridge"),
        ]

    def test_the_leak_tests_find_nothing(self, walk):
        """No baseline sees its own answer, and none knows the price level.

        The parameters of a GARCH are fitted to each symbol and kept by its name.
        """
        cutoffs = cutoffs_with_targets(walk, SPEC)
        by_name = {"garch_t": ["relabelling"], "gjr_t": ["relabelling"]}

        for forecaster in fit_baselines(
            walk, _train_before(walk, walk.dates[300]), SPEC
        ):
            results = run_leak_tests(forecaster, walk, cutoffs)
            moved = [result.name for result in results if result.passed is False]
            assert moved == by_name.get(forecaster.name, []), forecaster.name

    def test_what_was_fitted_says_on_which_bars(self, walk):
        """No fitted constant has seen a bar after the last training target."""
        date = walk.dates[300]
        dated = [
            forecaster
            for forecaster in fit_baselines(walk, _train_before(walk, date), SPEC)
            if hasattr(forecaster, "last_date")
        ]

        assert len(dated) == 6
        for forecaster in dated:
            assert forecaster.first_date == str(walk.dates[0])
            assert forecaster.last_date == str(date)

    def test_frozen_prices_are_forecast_all_the_same(self, panel):
        """A price that stands still, alone or beside others, breaks no baseline."""
        returns = np.random.default_rng(5).normal(0, 0.02, (3, 399))
        returns[1] = 0.0
        returns[2, 200:] = 0.0
        bars = panel(returns)
        cutoffs = cutoffs_with_targets(bars, SPEC)

        for forecaster in fit_baselines(bars, cutoffs, SPEC):
            quantiles = forecaster.forecast(bars, cutoffs).quantiles
            assert np.all(np.isfinite(quantiles)), forecaster.name
            assert np.all(np.diff(quantiles, axis=-1) >= 0), forecaster.name

    def test_a_symbol_that_was_not_trained_on_is_forecast(self, walk):
        """A newcomer takes what the others have taught."""
        seen = walk.select(walk.symbol_ids < 2)

        for forecaster in fit_baselines(seen, cutoffs_with_targets(seen, SPEC), SPEC):
            quantiles = forecaster.forecast(walk, np.arange(800, 1200)).quantiles
            assert np.all(np.isfinite(quantiles)), forecaster.name

    def test_forecasts_every_cutoff_in_its_order(self, walk):
        """A forecast has the windows asked for, from the first bar to the last."""
        cutoffs = np.array([1199, 0, 400, 399, 57])

        for forecaster in fit_baselines(walk, cutoffs_with_targets(walk, SPEC), SPEC):
            forecast = forecaster.forecast(walk, cutoffs)

            assert forecast.quantiles.shape == (5, 3, 39)
            assert forecast.symbols.tolist() == ["S02", "S00", "S01", "S00", "S00"]
            np.testing.assert_array_equal(forecast.cutoffs, walk.dates[cutoffs])
            np.testing.assert_array_equal(forecast.last_close, walk.close[cutoffs])
            assert np.all(np.isfinite(forecast.quantiles))
            assert np.all(np.diff(forecast.quantiles, axis=-1) > 0), forecaster.name

    def test_targets_are_sessions_after_the_cutoff(self, walk):
        """The target dates are those of the panel where it has them."""
        cutoffs = np.array([10, 500])

        for forecaster in fit_baselines(walk, cutoffs_with_targets(walk, SPEC), SPEC):
            dates = forecaster.forecast(walk, cutoffs).target_dates

            np.testing.assert_array_equal(dates[0], walk.dates[11:14])
            np.testing.assert_array_equal(dates[1], walk.dates[501:504])

    @pytest.mark.parametrize("seed", [1, 2])
    def test_noise_after_the_cutoff_changes_no_bit(self, walk, seed):
        """Fit and forecast see no bar after the date that they may see."""
        date = walk.dates[250]
        noisy = _noise_after(walk, date, seed)
        train = _train_before(walk, date)
        cutoffs = np.flatnonzero(walk.dates <= date)

        for clean, perturbed in zip(
            fit_baselines(walk, train, SPEC),
            fit_baselines(noisy, train, SPEC),
            strict=True,
        ):
            assert clean == perturbed
            first = clean.forecast(walk, cutoffs)
            second = perturbed.forecast(noisy, cutoffs)
            assert first.quantiles.tobytes() == second.quantiles.tobytes()
            assert first.mean.tobytes() == second.mean.tobytes()

    def test_a_truncated_panel_gives_the_same_forecast(self, walk):
        """A forecast made on the day is the forecast of the backtest."""
        date = walk.dates[250]
        fitted = fit_baselines(walk, _train_before(walk, date), SPEC)
        past = walk.select(walk.dates <= date)

        for forecaster in fitted:
            batch = forecaster.forecast(walk, np.array([250, 650, 1050]))
            day = forecaster.forecast(past, past.offsets[1:] - 1)
            assert batch.quantiles.tobytes() == day.quantiles.tobytes()

    @settings(
        deadline=None,
        max_examples=5,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(factor=st.floats(0.01, 1000))
    def test_does_not_depend_on_the_currency(self, walk, factor):
        """A price in another unit has the same returns."""
        values = walk.values * np.array([factor] * 4 + [1.0])
        names = np.asarray(walk.symbols)[walk.symbol_ids]
        other = from_columns(names, walk.dates, values)
        cutoffs = cutoffs_with_targets(walk, SPEC)

        for ours, theirs in zip(
            fit_baselines(walk, cutoffs, SPEC),
            fit_baselines(other, cutoffs, SPEC),
            strict=True,
        ):
            np.testing.assert_allclose(
                ours.forecast(walk, cutoffs[::50]).quantiles,
                theirs.forecast(other, cutoffs[::50]).quantiles,
                rtol=1e-3,
                atol=1e-6,
            )


def test_a_fit_does_not_depend_on_the_threads_of_blas():
    """A machine of one core and one of many fit the same constants, to the bit."""
    walk = random_walk(2, 600)
    cutoffs = cutoffs_with_targets(walk, SPEC)
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            fits.append(fit_baselines(walk, cutoffs, SPEC))

    for one, other in zip(*fits, strict=True):
        assert np.array_equal(
            one.forecast(walk, cutoffs).quantiles,
            other.forecast(walk, cutoffs).quantiles,
        )
