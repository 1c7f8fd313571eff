"""The head's numbers mean the distribution that scipy says they mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from closecast.forecast import LEVELS
from closecast.models.heads import (
    LOG_SCALE_BOUND,
    MIN_DF,
    START_DF,
    distribution,
    params_per_step,
    student_t_parameters,
    student_t_quantiles,
)


class TestStudentT:
    @given(df=st.floats(MIN_DF, 1e6))
    def test_the_table_agrees_with_scipy(self, df):
        """Every quantile is within 1e-5 of the exact one, for any df."""
        found = student_t_quantiles(np.array([[df]]))[0, 0]

        np.testing.assert_allclose(found, stats.t.ppf(LEVELS, df), atol=1e-5, rtol=0)

    def test_infinite_df_is_a_gaussian(self):
        """The far end of the table is the normal distribution."""
        found = student_t_quantiles(np.array([[np.inf]]))[0, 0]

        np.testing.assert_allclose(found, stats.norm.ppf(LEVELS), atol=1e-12)

    def test_an_output_of_zero_is_the_start(self):
        """Zeros mean location 0, scale 1 unit, df 6."""
        location, scale, df = student_t_parameters(np.zeros((2, 3, 3)))

        np.testing.assert_allclose(location, 0)
        np.testing.assert_allclose(scale, 1)
        np.testing.assert_allclose(df, START_DF)

    def test_wild_outputs_stay_bounded(self):
        """No output makes a scale outside exp(+-bound) or df below the least one."""
        _, scale, df = student_t_parameters(np.array([[-1e6] * 3, [1e6] * 3]))

        np.testing.assert_allclose(scale, np.exp([-LOG_SCALE_BOUND, LOG_SCALE_BOUND]))
        assert df[0] == MIN_DF
        assert df[1] > 1e5

    def test_mean_and_quantiles_are_log_returns(self):
        """Location and scale are stretched by the unit of each window and step."""
        raw = np.random.default_rng(0).normal(size=(6, 5, 3)).astype(np.float32)
        unit = np.random.default_rng(1).uniform(0.001, 0.1, (6, 5))

        mean, quantiles = distribution("student_t", raw, unit)

        location, scale, df = student_t_parameters(raw.astype(float))
        exact = stats.t.ppf(
            LEVELS, df[..., None], location[..., None], scale[..., None]
        )
        np.testing.assert_allclose(mean, location * unit)
        np.testing.assert_allclose(quantiles, exact * unit[..., None], atol=2e-5)
        assert (np.diff(quantiles, axis=-1) >= 0).all()


class TestPoint:
    def test_the_spread_is_the_gaussian_of_its_errors(self):
        """Each step has the standard deviation that was measured for it."""
        raw = np.full((3, 2, 1), 0.5, np.float32)
        unit = np.full((3, 2), 0.02)
        spread = np.array([1.0, 1.5])

        mean, quantiles = distribution("point", raw, unit, spread)

        exact = stats.norm.ppf(LEVELS, 0.01, (0.02 * spread)[:, None])
        np.testing.assert_allclose(mean, 0.01)
        np.testing.assert_allclose(quantiles, np.broadcast_to(exact, (3, 2, 39)))

    def test_it_needs_its_spread(self):
        """A point without measured errors has no distribution."""
        with pytest.raises(ValueError, match="residual_scale"):
            distribution("point", np.zeros((1, 2, 1)), np.ones((1, 2)))

    def test_it_needs_one_number_a_step(self):
        """A point is one number, a Student-t three."""
        assert [params_per_step(head) for head in ("point", "student_t")] == [1, 3]
