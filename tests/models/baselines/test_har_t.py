"""Range-HAR reads the range of the day, the week and the month."""

import numpy as np
import pytest

from closecast.market.bars import from_columns
from closecast.models.baselines import fit_har_t
from closecast.testing import garch_walk, random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import MIN_VOLATILITY
from closecast.windows.spec import WindowSpec
from closecast.windows.states import squared_range

SPEC = WindowSpec(context_length=5, horizon=3)


class TestSquaredRange:
    def test_is_parkinsons(self):
        """The squared log range over 4 ln 2."""
        bars = random_walk(1, 50)
        high, low = bars.values[20, 1], bars.values[20, 2]

        assert squared_range(bars)[20] == pytest.approx(
            np.log(high / low) ** 2 / (4 * np.log(2))
        )

    def test_a_bar_without_range_gives_its_return(self, walk):
        """Where only closes are known their moves stand in; the first has none."""
        squares = squared_range(walk)

        assert squares[500] == pytest.approx(
            max(np.log(walk.close[500] / walk.close[499]) ** 2, MIN_VOLATILITY**2)
        )
        assert squares[400] == pytest.approx(MIN_VOLATILITY**2)


class TestHarT:
    def test_weights_are_those_of_least_squares(self):
        """The regression of the first step, written out for one symbol."""
        bars = random_walk(1, 300)
        cutoffs = cutoffs_with_targets(bars, SPEC)[30:]
        fitted = fit_har_t(bars, cutoffs, SPEC)
        squares = squared_range(bars)
        design = np.array(
            [
                [
                    1,
                    *(
                        np.log(squares[row + 1 - n : row + 1].mean())
                        for n in (1, 5, 22)
                    ),
                ]
                for row in cutoffs
            ]
        )
        weights = np.linalg.lstsq(design, np.log(squares[cutoffs + 1]), rcond=None)[0]

        np.testing.assert_allclose(fitted.coefficients[0], weights, rtol=1e-6)

    def test_a_wide_day_widens_the_next(self):
        """Where volatility clusters, a threefold range makes a wider spread."""
        bars = garch_walk(3, 900, seed=4)
        fitted = fit_har_t(bars, cutoffs_with_targets(bars, SPEC), SPEC)
        values = bars.values.copy()
        values[500, 1] *= np.exp(2 * np.log(values[500, 1] / values[500, 2]))
        stormy = from_columns(
            np.asarray(bars.symbols)[bars.symbol_ids], bars.dates, values
        )
        before, after = (
            np.ptp(fitted.forecast(one, np.array([500])).quantiles[0], axis=-1)
            for one in (bars, stormy)
        )

        assert np.all(after > 1.02 * before)
        assert min(weight for weight in fitted.coefficients[0][1:]) > -0.1

    def test_one_set_of_weights_serves_a_calm_and_a_wild_symbol(self):
        """Ranges ten times as wide are forecast ten times as wide."""
        calm = random_walk(1, 400, volatility=0.004, seed=1)
        wild = np.exp(10 * np.log(calm.values[:, :4] / calm.values[0, 3]))
        values = np.column_stack([100 * wild, calm.values[:, 4]])
        loud = from_columns(np.repeat("W00", 400), calm.dates, values)
        fitted = fit_har_t(calm, cutoffs_with_targets(calm, SPEC), SPEC)
        ours, theirs = (
            np.ptp(fitted.forecast(bars, np.array([300])).quantiles[0, 0])
            for bars in (calm, loud)
        )
        constant, *weights = fitted.coefficients[0]

        assert theirs / ours == pytest.approx(10 ** sum(weights), rel=1e-6)
        assert constant < 0
