"""The test of equal accuracy counts dates, not rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.tsa.stattools import diebold_mariano_test

from closecast.evaluation.significance import average_per_date, diebold_mariano

DATES = np.arange("2020-01-01", 200, dtype="datetime64[D]")


def _by_hand(difference, horizon):
    """Newey-West with Bartlett weights and Harvey's factor, written out."""
    n = len(difference)
    lags = int(max(horizon - 1, np.ceil(n ** (1 / 3))))
    centred = difference - difference.mean()
    variance = centred @ centred / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag]) / n
    harvey = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = harvey * difference.mean() / np.sqrt(variance / n)
    return statistic, 2 * stats.t.sf(abs(statistic), n - 1)


class TestDieboldMariano:
    @pytest.mark.parametrize("horizon", [1, 5, 12])
    def test_agrees_with_the_formula_written_out(self, horizon):
        """Statistic and p-value of the two papers."""
        loss, other = np.random.default_rng(1).exponential(size=(2, 200))
        result = diebold_mariano(loss, other, DATES, horizon)
        statistic, p_value = _by_hand(loss - other, horizon)

        assert result.statistic == pytest.approx(statistic)
        assert result.p_value == pytest.approx(p_value)
        assert result.mean_difference == pytest.approx(np.mean(loss - other))

    @pytest.mark.parametrize("horizon", [1, 5, 12])
    def test_agrees_with_statsmodels(self, horizon):
        """The test as a library of econometrics has it."""
        loss, other = np.random.default_rng(1).exponential(size=(2, 200))
        oracle = diebold_mariano_test(
            np.zeros(200),
            loss,
            other,
            criterion=lambda _, date_loss: date_loss,
            harvey_adj=True,
            horizon=horizon,
        )
        result = diebold_mariano(loss, other, DATES, horizon)

        assert result.statistic == pytest.approx(oracle.statistic)
        assert result.p_value == pytest.approx(oracle.pvalue)

    def test_copies_of_a_symbol_are_no_evidence(self):
        """Fifty symbols that move as one are worth one."""
        loss, other = np.random.default_rng(2).exponential(size=(2, 200))
        alone = diebold_mariano(loss, other, DATES, 3)
        panel = diebold_mariano(
            np.tile(loss, 50), np.tile(other, 50), np.tile(DATES, 50), 3
        )

        assert panel.p_value == pytest.approx(alone.p_value)
        assert panel.num_dates == alone.num_dates == 200

    @given(order=st.permutations(range(60)))
    def test_the_order_of_windows_does_not_matter(self, order):
        """Dates put the losses in order."""
        loss, other = np.random.default_rng(3).exponential(size=(2, 60))
        dates, order = DATES[np.arange(60) // 2], np.array(order)

        assert diebold_mariano(
            loss[order], other[order], dates[order], 2
        ).p_value == pytest.approx(diebold_mariano(loss, other, dates, 2).p_value)

    def test_is_two_sided(self):
        """Swapping the forecasts swaps the sign and keeps p."""
        loss, other = np.random.default_rng(4).exponential(size=(2, 200))
        there = diebold_mariano(loss, other, DATES, 1)
        back = diebold_mariano(other, loss, DATES, 1)

        assert there.statistic == pytest.approx(-back.statistic)
        assert there.p_value == pytest.approx(back.p_value)

    def test_identical_losses_differ_with_p_1(self):
        """A forecast is as good as itself."""
        loss = np.random.default_rng(5).exponential(size=200)
        result = diebold_mariano(loss, loss.copy(), DATES, 5)

        assert (result.mean_difference, result.statistic, result.p_value) == (0, 0, 1)

    @pytest.mark.parametrize(("dates", "horizon"), [(19, 1), (39, 10)])
    def test_too_few_dates_are_not_tested(self, dates, horizon):
        """The difference stands alone where its variance is a guess."""
        loss = np.random.default_rng(6).exponential(size=dates)
        result = diebold_mariano(loss, 2 * loss, DATES[:dates], horizon)

        assert result.p_value is None
        assert result.statistic is None
        assert result.mean_difference == pytest.approx(-loss.mean())

    @pytest.mark.parametrize(("least", "horizon"), [(20, 1), (20, 5), (24, 6)])
    def test_the_fewest_dates_are_tested(self, least, horizon):
        """Twenty, and four times the step; one fewer is not."""
        loss, other = np.random.default_rng(6).exponential(size=(2, least))
        enough = diebold_mariano(loss, other, DATES[:least], horizon)
        few = diebold_mariano(loss[1:], other[1:], DATES[: least - 1], horizon)

        assert enough.num_dates == least
        assert enough.p_value is not None
        assert few.p_value is None

    def test_a_difference_that_never_changes_its_sign_is_tested(self):
        """One forecast is better on every date, by more and by less."""
        loss = np.random.default_rng(7).random(200)
        result = diebold_mariano(loss, 0.1 * loss - 1, DATES, 1)

        assert result.p_value < 1e-6

    @pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
    def test_a_difference_of_rounding_is_not_tested(self, unit):
        """Losses that differ by a constant, but for their last digits."""
        loss = unit * np.random.default_rng(7).random(200)
        other = loss + unit * 0.1

        assert np.ptp(loss - other) > 0
        assert diebold_mariano(loss, other, DATES, 1).p_value is None

    def test_a_constant_difference_is_not_tested(self):
        """A difference without variance has no p-value."""
        loss = np.random.default_rng(7).integers(0, 9, 200).astype(float)

        assert diebold_mariano(loss, loss + 1, DATES, 1).p_value is None

    def test_holds_its_size_on_independent_losses(self):
        """Of equal forecasts about one in ten falls below p = 0.10."""
        rng = np.random.default_rng(8)
        p_values = [
            diebold_mariano(*rng.exponential(size=(2, 200)), DATES, 1).p_value
            for _ in range(300)
        ]

        assert 0.05 < np.mean(np.array(p_values) < 0.10) < 0.17


class TestAveragePerDate:
    def test_each_date_counts_once(self):
        """Three symbols on one date weigh as much as one on the next."""
        dates = np.array(
            ["2020-01-02", "2020-01-01", "2020-01-02", "2020-01-02"], "M8[D]"
        )

        np.testing.assert_allclose(
            average_per_date(np.array([1.0, 5.0, 2.0, 3.0]), dates), [5.0, 2.0]
        )
