"""Moving average and historical simulation do what their names say."""

import numpy as np
import pytest

from closecast.models.baselines import Historical, MovingAverage, Zero
from closecast.windows.scaling import PRIOR_VOLATILITY


class TestMovingAverage:
    def test_goes_on_at_the_mean_of_the_last_returns(self, walk):
        """Seven returns are averaged, and their pace is kept."""
        mean = MovingAverage(horizon=3, sessions=7).forecast(walk, np.array([500])).mean
        pace = np.diff(np.log(walk.close[493:501])).mean()

        np.testing.assert_allclose(mean[0], pace * np.array([1, 2, 3]))

    def test_a_young_symbol_averages_what_it_has(self, walk):
        """The third bar of a symbol has two returns, the first has none."""
        mean = MovingAverage(horizon=1).forecast(walk, np.array([402, 400])).mean

        assert mean[0, 0] == pytest.approx(np.diff(np.log(walk.close[400:403])).mean())
        assert mean[1, 0] == 0

    def test_is_as_wide_as_the_zero_forecast(self, walk):
        """The two differ in the mean alone."""
        cutoffs = np.arange(450, 460)
        ours, zeros = (
            kind(horizon=2).forecast(walk, cutoffs).quantiles
            for kind in (MovingAverage, Zero)
        )

        np.testing.assert_allclose(np.ptp(ours, axis=-1), np.ptp(zeros, axis=-1))


class TestHistorical:
    def test_quantiles_are_those_of_the_last_returns(self, walk):
        """NumPy's quantiles of 100 overlapping returns over two sessions."""
        forecast = Historical(horizon=2, sessions=100).forecast(walk, np.array([700]))
        logs = np.log(walk.close)
        sample = logs[601:701] - logs[599:699]

        np.testing.assert_allclose(
            forecast.quantiles[0, 1], np.quantile(sample, np.arange(1, 40) / 40)
        )
        assert forecast.mean[0, 1] == pytest.approx(sample.mean())

    def test_a_young_symbol_borrows_the_prior(self, walk):
        """On its first bar a symbol is as volatile as the prior."""
        forecast = Historical(horizon=4).forecast(walk, np.array([400]))
        sixteen_to_84 = np.ptp(forecast.quantiles[0][:, [6, 32]], axis=-1)

        np.testing.assert_allclose(
            sixteen_to_84, 1.87 * PRIOR_VOLATILITY * np.sqrt([1, 2, 3, 4]), rtol=0.02
        )

    def test_chunks_change_nothing(self, walk, monkeypatch):
        """Memory is saved without moving a bit."""
        whole = Historical(horizon=2).forecast(walk, np.arange(1200)).quantiles
        monkeypatch.setattr("closecast.models.baselines.historical.CHUNK", 7)
        parts = Historical(horizon=2).forecast(walk, np.arange(1200)).quantiles

        assert whole.tobytes() == parts.tobytes()
