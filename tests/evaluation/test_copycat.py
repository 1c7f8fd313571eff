"""A copy of the last close is called one."""

from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import WindowError
from closecast.evaluation.copycat import check_copycat
from closecast.evaluation.resampling import block_length, drawn_counts


class TestCheckCopycat:
    def test_persistence_is_a_copy(self, world):
        """R2 of prices is near 1, changes follow the session before exactly."""
        copycat = check_copycat(world.forecast(0.0), world.truth)

        assert copycat.r2_price == copycat.r2_price_persistence
        assert copycat.r2_price > 0.95
        assert copycat.change_lag_1 == pytest.approx(1)
        assert abs(copycat.change_lag_0) < 0.1
        assert copycat.theil_u2 == 1
        assert copycat.theil_u2_interval == (1, 1)
        assert copycat.ic is None
        assert copycat.level_slope == pytest.approx(1)
        assert copycat.level_r2 == pytest.approx(1)
        assert abs(copycat.change_slope) < 0.1
        assert abs(copycat.change_lag_2) < 0.1
        assert abs(copycat.change_lag_3) < 0.1
        assert copycat.spread_share == 0
        assert copycat.verdict == "no information beyond the last close"

    def test_foresight_is_no_copy(self, world):
        """A forecast that knows the next close peaks at lag 0."""
        copycat = check_copycat(world.forecast(world.truth), world.truth)

        assert copycat.change_lag_0 == pytest.approx(1)
        assert copycat.change_slope == pytest.approx(1)
        assert copycat.ic == pytest.approx(1)
        assert copycat.theil_u2 == pytest.approx(0)
        assert copycat.spread_share == pytest.approx(1)
        assert copycat.verdict == "information beyond the last close"

    def test_noise_is_neither_a_copy_nor_better(self, world):
        """A forecast that jumps about is no copy, and is not called skilled."""
        noise = np.random.default_rng(1).normal(0, 0.2, world.truth.shape)
        copycat = check_copycat(world.forecast(noise), world.truth)

        assert copycat.theil_u2 > 2
        assert copycat.spread_share > 2
        assert copycat.change_lag_1 < 0.2
        assert copycat.verdict in {
            "no information beyond the last close",
            "not a copy of the last close, and no better than one",
        }

    @pytest.mark.parametrize(
        ("interval", "ic", "slope", "verdict"),
        [
            (None, None, 0.5, "too few dates to tell a copy from a forecast"),
            ((0.9, 0.95), None, 0.5, "information beyond the last close"),
            ((0.9, 1.1), (0.01, 0.1), 0.5,
             "a trace beyond the last close, too faint to lower the error"),
            ((0.9, 1.1), (-0.01, 0.1), 0.5, "no information beyond the last close"),
            ((0.9, 1.1), (0.0, 0.1), 0.5, "no information beyond the last close"),
            ((0.9, 1.1), None, 0.5, "no information beyond the last close"),
            ((0.9, 1.0), None, 0.5, "no information beyond the last close"),
            ((1.0, 1.1), (0.01, 0.1), 0.5,
             "a trace beyond the last close, too faint to lower the error"),
            ((1.0, 1.1), None, 0.5, "no information beyond the last close"),
            ((1.1, 1.2), (0.01, 0.1), 0.5,
             "not a copy of the last close, and no better than one"),
        ],
    )  # fmt: skip
    def test_each_verdict_has_its_figures(self, world, interval, ic, slope, verdict):
        """From what was found of a forecast that is no copy."""
        found = check_copycat(world.forecast(world.truth), world.truth)
        told = replace(
            found, theil_u2_interval=interval, ic_interval=ic, change_slope=slope
        )

        assert told.verdict == verdict

    def test_a_little_foresight_is_said_to_be_little(self, world):
        """A fifth of the next return is information, and mostly the last close."""
        copycat = check_copycat(world.forecast(world.truth / 5), world.truth)

        assert copycat.verdict == "mostly the last close, with information beyond it"

    def test_an_old_copy_shows_at_its_own_lag(self, world):
        """A forecast that is two sessions late peaks at lag 2."""
        truth = world.truth[:, 0].reshape(3, -1)
        late = np.zeros_like(world.truth)
        late[:, 0] = -np.roll(truth, 1, axis=1).ravel()
        copycat = check_copycat(world.forecast(late), world.truth)

        assert copycat.change_lag_2 > 0.95
        assert abs(copycat.change_lag_1) < 0.1

    def test_a_faint_correlation_is_called_a_trace(self, make_world):
        """An IC off zero with no smaller error is neither a copy nor a forecast."""
        world = make_world(sessions=2000)
        noise = np.random.default_rng(6).normal(0, 0.0053, world.truth.shape)
        copycat = check_copycat(
            world.forecast(0.035 * world.truth + noise), world.truth
        )

        assert copycat.ic_interval[0] > 0
        assert copycat.theil_u2_interval[0] <= 1 <= copycat.theil_u2_interval[1]
        assert copycat.verdict.startswith("a trace beyond the last close")

    def test_intervals_hold_the_figures(self, world):
        """U2 and IC lie between the ends of their intervals."""
        noise = np.random.default_rng(7).normal(0, 0.01, world.truth.shape)
        copycat = check_copycat(world.forecast(0.2 * world.truth + noise), world.truth)

        for value, (low, high) in (
            (copycat.theil_u2, copycat.theil_u2_interval),
            (copycat.ic, copycat.ic_interval),
        ):
            assert low < value < high
            assert high - low < 0.2

    def test_few_dates_tell_nothing(self, make_world):
        """Ten cutoffs are too few to call a forecast a copy."""
        world = make_world(sessions=15)
        copycat = check_copycat(world.forecast(0.001), world.truth)

        assert copycat.theil_u2_interval is None
        assert copycat.verdict == "too few dates to tell a copy from a forecast"

    def test_figures_agree_with_their_formulas(self, make_world):
        """Theil's U2 and R2 of one symbol, written out."""
        world = make_world(symbols=1, horizon=2)
        mean = np.random.default_rng(2).normal(0, 0.01, world.truth.shape)
        copycat = check_copycat(world.forecast(mean), world.truth)
        truth, last = world.truth[:, 0], world.closes[0, :-2]
        price, predicted = last * np.exp(truth), last * np.exp(mean[:, 0])
        residual = np.sum((price - predicted) ** 2)

        assert copycat.theil_u2 == pytest.approx(
            np.sqrt(np.mean((truth - mean[:, 0]) ** 2) / np.mean(truth**2))
        )
        assert copycat.r2_price == pytest.approx(
            1 - residual / np.sum((price - price.mean()) ** 2)
        )
        assert copycat.spread_share == pytest.approx(mean[:, 0].std() / truth.std())
        assert copycat.change_lag_1 == pytest.approx(
            np.corrcoef(np.diff(np.log(predicted)), truth[:-1])[0, 1]
        )

    def test_price_units_do_not_matter(self, world):
        """A symbol quoted in another currency counts the same."""
        forecast = world.forecast(0.001)
        factors = np.where(forecast.symbols == "S1", 1350.0, 1.0)
        converted = replace(forecast, last_close=forecast.last_close * factors)
        ours, theirs = (
            check_copycat(f, world.truth).to_dict() for f in (forecast, converted)
        )

        for name in ("r2_price", "change_lag_0", "change_lag_1", "theil_u2"):
            assert ours[name] == pytest.approx(theirs[name])

    def test_the_order_of_windows_does_not_matter(self, world):
        """Neighbours are found by date, not by row."""
        order = np.random.default_rng(3).permutation(len(world.truth))
        shuffled = check_copycat(world.forecast(0.0).take(order), world.truth[order])

        assert shuffled.change_lag_1 == pytest.approx(1)

    def test_cutoffs_far_apart_have_no_lags(self, world):
        """A change over seven sessions is no change of one."""
        rows = np.arange(0, len(world.truth), 7)
        copycat = check_copycat(world.forecast(0.0).take(rows), world.truth[rows])

        assert copycat.change_lag_0 is None
        assert copycat.change_lag_1 is None
        assert "correlate" not in copycat.why_five

    def test_why_five_carries_the_figures(self, world):
        """The answer names R2, U2 and the lags of this very data."""
        copycat = check_copycat(world.forecast(0.0), world.truth)

        assert copycat.why_five.startswith("Why not forecast just one day ahead?")
        assert f"R2 {copycat.r2_price_persistence:.3f}" in copycat.why_five
        assert "1.000 times" in copycat.why_five
        assert "+1.00 with the session before" in copycat.why_five
        assert "proves nothing" in copycat.why_five

    def test_one_window_a_symbol_has_no_r2(self, world):
        """Without closes that differ no R2 is made up."""
        rows = np.array([0, 700])
        copycat = check_copycat(world.forecast(0.0).take(rows), world.truth[rows])

        assert copycat.r2_price is None
        assert "Too few closes" in copycat.why_five

    def test_a_market_that_stands_still_is_refused(self, world):
        """Nothing can be said of a price that never moves."""
        with pytest.raises(WindowError, match="closes that move after the cutoff"):
            check_copycat(world.forecast(0.0), np.zeros_like(world.truth))

    @pytest.mark.parametrize(
        ("lags", "copy"),
        [
            ((0.1, 0.5), True),
            ((-0.1, 0.5), True),
            ((0.5, 0.1), False),
            ((-0.5, 0.1), False),
            ((0.3, 0.3), False),
            ((0.1, -0.5), False),
            ((None, 0.5), True),
            ((0.1, None), False),
            ((None, None), False),
        ],
    )
    def test_a_copy_follows_the_session_before(self, world, lags, copy):
        """More than the one it is made for, whichever way that goes."""
        found = check_copycat(world.forecast(world.truth), world.truth)
        told = replace(found, change_lag_0=lags[0], change_lag_1=lags[1])

        assert told.is_copy is copy
        assert ("correlate" in told.why_five) is (None not in lags)

    def test_a_copy_that_is_worse_is_no_information(self, world):
        """An error above that of the last close, and changes of the session before."""
        found = check_copycat(world.forecast(world.truth), world.truth)
        worse = replace(found, theil_u2_interval=(1.1, 1.2))
        copy = replace(worse, change_lag_0=0.0, change_lag_1=0.9)

        assert copy.verdict == "no information beyond the last close"
        assert worse.verdict == "not a copy of the last close, and no better than one"

    def test_closes_that_all_move_alike_have_no_spread(self, world):
        """Nothing is divided by 0."""
        rows = np.arange(0, 690, 30)
        forecast = world.forecast(world.truth).take(rows)
        same = np.full((len(rows), 5), 0.125)

        assert check_copycat(forecast, same).spread_share == 0


class TestByLoops:
    """Figures of windows in any order, some missing, of symbols of their own length."""

    @pytest.fixture
    def judged(self, make_world):
        world, random = make_world(symbols=4, sessions=130), np.random.default_rng(8)
        sizes = np.repeat([1.0, 1.5, 0.4, 2.0], 125)[:, None]
        mean = 0.3 * world.truth + random.normal(0.003, 0.01, world.truth.shape)
        mean += 0.004 * np.tile(np.cumsum(random.normal(size=125)), 4)[:, None]
        rows = np.flatnonzero(random.random(500) < 0.85)
        rows = random.permutation(rows[(rows > 60) | (rows % 125 < 20)])
        forecast = world.forecast(mean * sizes)
        return forecast.take(rows), world.truth[rows]

    def by_symbol(self, judged):
        """Rows of each symbol by date."""
        symbols, cutoffs = judged[0].symbols, judged[0].cutoffs
        return [
            sorted(np.flatnonzero(symbols == name), key=lambda row: cutoffs[row])
            for name in sorted(set(symbols))
        ]

    def test_r2_of_prices_is_the_median_of_the_symbols(self, judged):
        """Residual over total, symbol by symbol."""
        forecast, truth = judged
        for mean, found in (
            (forecast.mean[:, 0], check_copycat(*judged).r2_price),
            (0 * truth[:, 0], check_copycat(*judged).r2_price_persistence),
        ):
            shares = []
            for rows in self.by_symbol(judged):
                price = forecast.last_close[rows] * np.exp(truth[rows, 0])
                named = forecast.last_close[rows] * np.exp(mean[rows])
                left = sum((price - named) ** 2)
                shares.append(1 - left / sum((price - price.mean()) ** 2))
            assert found == pytest.approx(np.median(shares))

    def test_changes_are_those_of_sessions_in_a_row(self, judged):
        """Up to three sessions back, as long as none is missing."""
        forecast, truth = judged
        pairs = {0: [], 1: [], 2: [], 3: []}
        for rows in self.by_symbol(judged):
            days = forecast.cutoffs[rows].astype(int)
            price = np.log(forecast.last_close[rows]) + forecast.mean[rows, 0]
            for at in range(1, len(rows)):
                for lag in range(4):
                    behind = max(at - max(lag, 1), 0)
                    if days[at] - days[behind] == max(lag, 1) == at - behind:
                        change = price[at] - price[at - 1]
                        pairs[lag].append((change, truth[rows[at - lag], 0]))
        copycat = check_copycat(*judged)

        for lag, found in enumerate(
            (
                copycat.change_lag_0,
                copycat.change_lag_1,
                copycat.change_lag_2,
                copycat.change_lag_3,
            )
        ):
            change, actual = np.array(pairs[lag]).T
            assert found == pytest.approx(np.corrcoef(change, actual)[0, 1])
        change, actual = np.array(pairs[0]).T
        assert copycat.change_slope == pytest.approx(np.polyfit(actual, change, 1)[0])

    def test_levels_are_regressed_within_symbols(self, judged):
        """Slope and share of the variance around each symbol's mean."""
        forecast, _ = judged
        last, named = [], []
        for rows in self.by_symbol(judged):
            close = np.log(forecast.last_close[rows])
            price = close + forecast.mean[rows, 0]
            last += list(close - close.mean())
            named += list(price - price.mean())
        copycat = check_copycat(*judged)

        assert copycat.level_slope == pytest.approx(np.polyfit(last, named, 1)[0])
        assert copycat.level_r2 == pytest.approx(np.corrcoef(last, named)[0, 1] ** 2)

    def test_intervals_are_those_of_drawn_dates(self, judged):
        """U2 and IC of each repetition, its windows written out."""
        forecast, truth = judged
        named, actual = forecast.mean[:, 0], truth[:, 0]
        error = (named - actual) ** 2
        dates, place = np.unique(forecast.cutoffs, return_inverse=True)
        of_date = [np.flatnonzero(place == one) for one in range(len(dates))]

        def ends(figure, series):
            sums = np.array([series[rows].sum() for rows in of_date])
            counts = drawn_counts(len(dates), block_length(sums[:, None], 1))
            figures = [figure(one[place]) for one in counts]
            return tuple(np.quantile(figures, [0.05, 0.95]))

        def u2(times):
            return np.sqrt((times @ error) / (times @ actual**2))

        def ic(times):
            both = np.cov(named, actual, fweights=times.astype(int))
            return both[0, 1] / np.sqrt(both[0, 0] * both[1, 1])

        unit = [(one - one.mean()) / one.std() for one in (named, actual)]
        copycat = check_copycat(*judged)

        expected = ends(u2, error - actual**2)
        assert copycat.theil_u2_interval == pytest.approx(expected)
        assert copycat.ic == pytest.approx(np.corrcoef(named, actual)[0, 1])
        assert copycat.ic_interval == pytest.approx(ends(ic, unit[0] * unit[1]))

    def test_blocks_are_as_long_as_the_gain_on_the_last_close_remembers(
        self, make_world
    ):
        """Not as the size of moves does, which both errors share."""
        world, random = make_world(symbols=1, sessions=605), np.random.default_rng(2)
        memory = np.zeros(600)
        for day in range(1, 600):
            memory[day] = 0.9 * memory[day - 1] + random.normal()
        truth = world.truth * np.exp(0.6 * memory)[:, None]
        forecast = world.forecast(1e-3 * random.normal(size=truth.shape))
        error, actual = (forecast.mean - truth)[:, 0] ** 2, truth[:, 0] ** 2
        block, other = (
            block_length((error + sign * actual)[:, None], 1) for sign in (-1, 1)
        )
        ratios = [
            np.sqrt((counts @ error) / (counts @ actual))
            for counts in drawn_counts(600, block)
        ]

        assert 2 <= block < 4 < other
        expected = tuple(np.quantile(ratios, [0.05, 0.95]))
        assert check_copycat(forecast, truth).theil_u2_interval == pytest.approx(
            expected
        )
