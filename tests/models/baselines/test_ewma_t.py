"""EWMA-t finds the tails that are there."""

import numpy as np
import pytest
from scipy import stats

from closecast.errors import TrainingError, WindowError
from closecast.models.baselines.ewma_t import HALF_LIFE, fit_ewma_t
from closecast.models.baselines.tails import DF_BOUNDS, FACTOR_BOUNDS, fit_student_t
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import volatility
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=5, horizon=3)


class TestFitStudentT:
    def test_agrees_with_scipy(self):
        """SciPy's general search finds the same maximum."""
        sample = stats.t.rvs(4.5, scale=0.7, size=3000, random_state=1)
        df, _, scale = stats.t.fit(sample, floc=0)

        np.testing.assert_allclose(fit_student_t(sample), (df, scale), rtol=1e-3)

    def test_a_gaussian_sample_has_light_tails(self):
        """Without heavy tails the degrees of freedom go far up."""
        df, scale = fit_student_t(np.random.default_rng(2).normal(0, 2, 20_000))

        assert df > 30
        assert scale == pytest.approx(2, rel=0.03)

    def test_a_frozen_sample_stays_in_bounds(self):
        """Prices that never move cannot shrink the spread to nothing."""
        df, factor = fit_student_t(np.zeros(100))

        assert df == pytest.approx(np.clip(df, *DF_BOUNDS))
        assert factor == pytest.approx(FACTOR_BOUNDS[0])


class TestEwmaT:
    def test_quantiles_are_those_of_the_fitted_student_t(self, walk):
        """SciPy's quantiles, in units of RiskMetrics' volatility x sqrt(step)."""
        model = fit_ewma_t(walk, cutoffs_with_targets(walk, SPEC), SPEC)
        forecast = model.forecast(walk, np.array([700]))
        scale = volatility(walk, HALF_LIFE)[700]

        for step in range(3):
            expected = stats.t.ppf(
                [0.05, 0.5, 0.975],
                model.degrees_of_freedom[step],
                scale=model.factors[step] * scale * np.sqrt(step + 1),
            )
            got = forecast.quantiles[0, step, [1, 19, 38]]
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-12)

    def test_half_life_is_riskmetrics_decay(self):
        """A return loses 6 % of its weight a session."""
        decay = 0.5 ** (1 / HALF_LIFE)

        assert decay == pytest.approx(0.94)

    def test_heavy_tails_are_heavier_than_gaussian_ones(self, panel):
        """The fit tells a market with jumps from one without."""
        rng = np.random.default_rng(3)
        jumpy = panel(0.01 * rng.standard_t(3, (3, 800)))
        calm = panel(rng.normal(0, 0.02, (3, 800)))
        df_jumpy, df_calm = (
            fit_ewma_t(bars, cutoffs_with_targets(bars, SPEC), SPEC).degrees_of_freedom
            for bars in (jumpy, calm)
        )

        assert df_jumpy[0] < 5
        assert df_calm[0] > 5

    def test_spread_follows_the_market(self, panel):
        """After a storm the interval is wider than before it."""
        calm, storm = np.full((1, 200), 0.002), np.full((1, 50), 0.05)
        returns = np.concatenate([calm, storm], axis=1)
        returns[:, ::2] *= -1
        bars = panel(returns)
        model = fit_ewma_t(bars, np.arange(10, 150), SPEC)
        before, after = np.ptp(
            model.forecast(bars, np.array([199, 250])).quantiles[:, 0], axis=-1
        )

        assert after > 10 * before

    def test_too_few_windows_are_refused(self, walk):
        """A tail needs a sample."""
        with pytest.raises(TrainingError, match=r"at least 10 training windows.*got 3"):
            fit_ewma_t(walk, np.array([20, 21, 22]), SPEC)

    def test_a_target_of_another_symbol_is_refused(self, walk):
        """The last bars of a symbol are no training windows."""
        with pytest.raises(WindowError, match=r"3 bars after.*symbol S00"):
            fit_ewma_t(walk, np.arange(380, 400), SPEC)
