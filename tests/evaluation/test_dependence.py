"""What neighbouring dates share is measured as the field's own libraries measure it."""

import numpy as np
import pytest
from arch.bootstrap import optimal_block_length
from statsmodels.regression.linear_model import OLS

from closecast.evaluation.dependence import (
    long_run_variance,
    long_run_variances,
    optimal_lengths,
)


def _autoregressions(dates, coefficients, seed=1):
    noise = np.random.default_rng(seed).standard_normal((dates, len(coefficients)))
    for place in range(1, dates):
        noise[place] += np.array(coefficients) * noise[place - 1]
    return noise


class TestOptimalLengths:
    @pytest.mark.parametrize("dates", [20, 61, 495, 3000])
    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_arch(self, dates, seed):
        """Noise, memory, a walk and a see-saw, of few dates and of many."""
        series = _autoregressions(dates, [0.0, 0.3, 0.9, 1.0, -0.8, 0.0], seed)
        series[:, -1] += np.arange(dates)  # a trend: as long as a block may be

        np.testing.assert_allclose(
            optimal_lengths(series), optimal_block_length(series)["stationary"]
        )

    @pytest.mark.parametrize("dates", range(7, 20))
    def test_of_few_dates_it_is_a_length(self, dates):
        """Lags end before nothing is left to correlate."""
        lengths = optimal_lengths(_autoregressions(dates, [0.0, 0.9, -0.8]))

        assert np.all((lengths > 0) & (lengths <= np.ceil(dates / 3)))

    def test_a_column_does_not_depend_on_the_others(self):
        """Each series has the length that it has alone."""
        series = _autoregressions(200, [0.0, 0.9])

        np.testing.assert_allclose(
            optimal_lengths(series),
            [optimal_lengths(column[:, None])[0] for column in series.T],
        )


class TestLongRunVariance:
    @pytest.mark.parametrize("horizon", [1, 12])
    def test_agrees_with_statsmodels(self, horizon):
        """Newey and West's variance of a mean, as a regression on a constant has it."""
        series = _autoregressions(300, [0.6])
        lags = max(horizon - 1, 7)
        fit = OLS(series[:, 0], np.ones(300)).fit(
            cov_type="HAC", cov_kwds={"maxlags": lags}
        )

        (variance,) = long_run_variances(series, horizon)

        assert variance / 300 == pytest.approx(fit.cov_params()[0, 0])

    def test_one_column_is_the_diagonal_of_many(self):
        """The covariance of many columns has their own variances in it."""
        series = _autoregressions(100, [0.0, 0.6])

        np.testing.assert_allclose(
            np.diag(long_run_variance(series, 5)), long_run_variances(series, 5)
        )

    @pytest.mark.parametrize("dates", [2, 3, 4, 9, 40])
    @pytest.mark.parametrize("horizon", [1, 2, 6, 30])
    def test_agrees_with_loops_over_pairs_of_dates(self, dates, horizon):
        """Bartlett's weights, as far as there are dates; of two columns and each."""
        series = np.random.default_rng(dates).normal(size=(dates, 2))
        lags = min(max(horizon - 1, int(np.ceil(dates ** (1 / 3)))), dates - 1)
        means = series.sum(axis=0) / dates
        expected = np.zeros((2, 2))
        for first in range(dates):
            for second in range(dates):
                weight = max(1 - abs(first - second) / (lags + 1), 0.0)
                deviations = np.outer(series[first] - means, series[second] - means)
                expected += weight * deviations / dates

        np.testing.assert_allclose(
            long_run_variance(series, horizon), expected, atol=1e-12
        )
        np.testing.assert_allclose(
            long_run_variances(series, horizon), np.diag(expected), atol=1e-12
        )
