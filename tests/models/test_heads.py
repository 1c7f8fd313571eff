"""The head's numbers mean the distribution that scipy says they mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from closecast.errors import SettingError
from closecast.forecast import LEVELS
from closecast.models.heads import (
    LOG_SCALE_BOUND,
    MIN_DF,
    START_DF,
    choose_loss,
    distribution,
    head_quantiles,
    params_per_step,
    student_t_parameters,
    student_t_quantiles,
)


class TestStudentT:
    @given(df=st.floats(MIN_DF, 1e6))
    def test_the_polynomials_agree_with_scipy(self, df):
        """Every quantile is within 1e-9 of the exact one, for any df."""
        found = student_t_quantiles(np.array([[df]]))[0, 0]

        np.testing.assert_allclose(found, stats.t.ppf(LEVELS, df), atol=1e-9, rtol=0)

    def test_infinite_df_is_a_gaussian(self):
        """The far end of the polynomials is the normal distribution."""
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


class TestQuantile:
    @given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.1, 1e3))
    def test_no_quantile_crosses_another(self, seed, size):
        """Whatever the network says, the quantiles do not decrease."""
        raw = np.random.default_rng(seed).normal(0, size, (3, 2, 39))

        assert (np.diff(head_quantiles(raw), axis=-1) >= 0).all()

    def test_an_output_of_zero_is_the_start(self):
        """Zeros mean the Student-t that the other head starts from."""
        found = head_quantiles(np.zeros((1, 1, 39)))[0, 0]

        np.testing.assert_allclose(found, stats.t.ppf(LEVELS, START_DF), atol=1e-9)

    def test_the_first_output_is_the_median(self):
        """It moves all quantiles; a gap moves those beyond it, on its side."""
        base = np.random.default_rng(0).normal(size=39)
        moved = {place: base.copy() for place in (0, 1, 20, 38)}
        for place, raw in moved.items():
            raw[place] += 0.5
        change = {
            place: head_quantiles(raw) - head_quantiles(base)
            for place, raw in moved.items()
        }

        np.testing.assert_allclose(change[0], 0.5)
        assert list(np.flatnonzero(change[1] > 1e-9)) == list(range(20, 39))
        assert list(np.flatnonzero(change[20] < -1e-9)) == list(range(19))
        assert list(np.flatnonzero(change[38] < -1e-9)) == [0]

    def test_the_mean_is_that_of_the_quantiles(self):
        """Quantiles become log returns; without a formula their mean is the mean."""
        raw = np.random.default_rng(0).normal(size=(6, 5, 39)).astype(np.float32)
        unit = np.random.default_rng(1).uniform(0.001, 0.1, (6, 5))

        mean, quantiles = distribution("quantile", raw, unit)

        own = head_quantiles(raw.astype(float))
        np.testing.assert_allclose(quantiles, own * unit[..., None])
        np.testing.assert_allclose(mean, quantiles.mean(axis=-1))

    def test_it_needs_a_number_for_each_level(self):
        """The median and 38 gaps."""
        assert params_per_step("quantile") == len(LEVELS)


class TestLoss:
    def test_a_head_has_a_loss_of_its_own(self):
        """Without a word each head learns what it is made for."""
        chosen = [choose_loss(head) for head in ("point", "student_t", "quantile")]

        assert chosen == ["mse", "nll", "crps"]
        assert choose_loss("student_t", "crps") == "crps"

    @pytest.mark.parametrize(
        ("head", "loss", "choices"),
        [
            ("point", "nll", "auto, mse"),
            ("quantile", "nll", "auto, crps"),
            ("student_t", "mse", "auto, nll, crps"),
        ],
    )
    def test_a_loss_of_another_head_is_refused(self, head, loss, choices):
        """The message lists those that the head has."""
        with pytest.raises(
            SettingError, match=f"one of {choices} with head {head}, got '{loss}'"
        ):
            choose_loss(head, loss)
