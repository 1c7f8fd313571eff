"""True densities pass, others do not, and a thousand twins count as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from closecast.evaluation.calibration import (
    COVERAGES,
    MIN_EFFECTIVE,
    PIT_BINS,
    calibrate,
    effective_trials,
    kupiec,
)
from closecast.evaluation.scores import hits


def _of(calibration, group, horizon=1, nominal=0.8):
    (cell,) = [
        one
        for one in calibration.coverage
        if (one.group, one.horizon, one.nominal) == (group, horizon, nominal)
    ]
    return cell


def _trials_by_loops(held, dates, horizon):
    """Independent trials, from sums of each date and what neighbours share."""
    share, days = np.mean(held), sorted(set(dates.tolist()))
    if share in (0, 1):
        return len(days) / horizon
    sums = dict.fromkeys(days, 0.0)
    for hit, date in zip(held, dates.tolist(), strict=True):
        sums[date] += hit - share
    errors = [sums[day] for day in days]
    lags = min(2 * horizon, len(days) - 1)
    total = 0.0
    for first, one in enumerate(errors):
        for second, other in enumerate(errors):
            apart = abs(first - second)
            if apart <= lags:
                total += (1 - apart / (lags + 1)) * one * other
    if total < 1e-12:
        return len(held)
    return min(len(held) ** 2 * share * (1 - share) / total, len(held))


class TestCalibrate:
    def test_each_cell_is_what_loops_give(self, make_world):
        """Coverage, trials and p-value of each group, step and level."""
        world = make_world(symbols=3, sessions=430)
        forecast = world.forecast(0.002, spread=0.8)
        scale = np.random.default_rng(1).uniform(0.01, 0.03, len(world.truth))
        years = forecast.cutoffs.astype("datetime64[Y]").astype(str)
        third, two_thirds = (np.sort(scale)[(len(scale) * n) // 3 - 1] for n in (1, 2))
        groups = {
            "all": np.ones(len(scale), bool),
            "volatility low": scale <= third,
            "volatility middle": (scale > third) & (scale <= two_thirds),
            "volatility high": scale > two_thirds,
            **{year: years == year for year in ("2010", "2011")},
        }
        found = calibrate(forecast, world.truth, scale)

        assert len(found.coverage) == len(groups) * 5 * len(COVERAGES)
        for cell in found.coverage:
            rows, step = groups[cell.group], cell.horizon - 1
            held = hits(forecast, world.truth, cell.nominal)[rows, step]
            dates = forecast.cutoffs[rows]
            assert cell.num_windows == rows.sum()
            assert cell.coverage == pytest.approx(np.mean(held))
            if step in (0, 4) and cell.nominal == 0.8:
                trials = _trials_by_loops(held, dates, step + 1)
                assert cell.num_effective == pytest.approx(trials)
                expected = kupiec(cell.coverage, 0.8, trials)
                assert cell.kupiec_p == pytest.approx(expected)

    def test_the_pit_is_what_loops_give(self, make_world):
        """Closes in each bin, one on an edge in the lower; Pearson over the effect."""
        world = make_world(symbols=3, sessions=430)
        forecast = world.forecast(0.0005, spread=0.93)
        truth = world.truth.copy()
        truth[::99] = forecast.quantile(0.5)[::99]
        for pit in calibrate(forecast, truth, world.scale).pit:
            step, count = pit.horizon - 1, len(truth)
            place = np.zeros(count, int)
            for edge in range(1, PIT_BINS):
                place += forecast.quantile(edge / PIT_BINS)[:, step] < truth[:, step]
            shares = [np.mean(place == number) for number in range(PIT_BINS)]
            np.testing.assert_allclose(pit.shares, shares)
            if step in (0, 4):
                effects = [
                    (1 - share)
                    * count
                    / _trials_by_loops(place == number, forecast.cutoffs, pit.horizon)
                    for number, share in enumerate(shares)
                ]
                pearson = sum(
                    (count * share - count / PIT_BINS) ** 2 / (count / PIT_BINS)
                    for share in shares
                )
                free = PIT_BINS - 1
                expected = stats.chi2.sf(pearson / (sum(effects) / free), free)
                assert 1e-6 < expected < 0.99
                assert pit.uniform_p == pytest.approx(expected)

    @pytest.mark.parametrize("missing", [0, 1])
    def test_the_fewest_trials_are_tested(self, make_world, missing):
        """Dates without a miss, as many as are asked for, and one fewer."""
        world = make_world(symbols=2, sessions=MIN_EFFECTIVE + 1 - missing, horizon=1)
        forecast = world.forecast(0.0, spread=1000.0)
        found = calibrate(forecast, world.truth + 1e-6, world.scale)

        tested = not missing
        assert (_of(found, "all").kupiec_p is not None) is tested
        narrow = calibrate(forecast, 0 * world.truth + 9.0, world.scale)
        assert (narrow.pit[0].uniform_p is not None) is tested

    def test_the_true_density_is_calibrated(self, world):
        """Coverage is nominal in every group and the PIT is flat."""
        calibration = calibrate(world.forecast(0.0), world.truth, world.scale)

        assert abs(_of(calibration, "all", 5, 0.95).coverage - 0.95) < 0.03
        assert _of(calibration, "all").kupiec_p > 0.05
        assert calibration.pit[0].uniform_p > 0.05
        assert sum(calibration.pit[4].shares) == pytest.approx(1)
        assert len(calibration.pit[0].shares) == 10

    def test_a_narrow_density_is_found_out(self, world):
        """Half the spread: too few hits, and a PIT that is high at both ends."""
        narrow = world.forecast(0.0, spread=0.5)
        calibration = calibrate(narrow, world.truth, world.scale)

        assert _of(calibration, "all", 1, 0.5).coverage < 0.4
        assert _of(calibration, "all").kupiec_p < 0.01
        assert calibration.pit[0].uniform_p < 0.01
        assert min(calibration.pit[0].shares[i] for i in (0, 9)) > 0.15

    def test_groups_are_terciles_of_volatility_and_years(self, world):
        """Each window is in one tercile and in one year."""
        scale = np.linspace(0.01, 0.03, len(world.truth))
        calibration = calibrate(world.forecast(0.0), world.truth, scale)
        counts = {
            one.group: one.num_windows
            for one in calibration.coverage
            if (one.horizon, one.nominal) == (2, 0.5)
        }

        assert list(counts) == [
            *("all", "volatility low", "volatility middle", "volatility high"),
            *("2010", "2011"),
        ]
        assert sum(list(counts.values())[1:4]) == counts["all"] == len(world.truth)
        assert counts["2010"] + counts["2011"] == counts["all"]

    def test_a_tercile_that_is_too_wide_shows(self, world):
        """Coverage of one group does not hide in the whole."""
        scale = np.linspace(0.01, 0.03, len(world.truth))
        truth = np.where(scale[:, None] < 0.0166, 0.3, 1.0) * world.truth
        calibration = calibrate(world.forecast(0.0), truth, scale)

        assert _of(calibration, "volatility low").coverage > 0.97
        assert abs(_of(calibration, "volatility high").coverage - 0.8) < 0.04


class TestEffectiveTrials:
    @given(
        days=st.integers(2, 25),
        horizon=st.integers(1, 6),
        symbols=st.integers(1, 3),
        seed=st.integers(0, 999),
    )
    def test_agrees_with_loops_over_pairs_of_dates(self, days, horizon, symbols, seed):
        """Bartlett's weights up to twice the step, or as far as there are dates."""
        random = np.random.default_rng(seed)
        dates = np.tile(np.arange("2010-01-01", days, dtype="M8[D]"), symbols)
        held = random.random(len(dates)) < 0.6

        found = effective_trials(held, dates, horizon)
        assert found == pytest.approx(_trials_by_loops(held, dates, horizon))

    def test_independent_trials_count_in_full(self):
        """Hits of one symbol without overlap are worth about their number."""
        held = np.random.default_rng(1).random(2000) < 0.8
        dates = np.arange("2010-01-01", "2015-06-24", dtype="M8[D]")[:2000]

        assert effective_trials(held, dates, 1) == pytest.approx(2000, rel=0.15)

    def test_twins_count_once(self):
        """Fifty symbols that hit together are worth one."""
        days = np.arange("2010-01-01", "2012-01-01", dtype="M8[D]")
        held = np.repeat(np.random.default_rng(2).random(len(days)) < 0.8, 50)

        assert effective_trials(held, np.repeat(days, 50), 1) == pytest.approx(
            len(days), rel=0.25
        )

    def test_overlapping_steps_count_less(self, make_world):
        """Five steps ahead each session is shared by five windows."""
        world = make_world(symbols=1, sessions=3000)
        held = np.abs(world.truth[:, 4]) < 0.02 * np.sqrt(5)
        dates = world.forecast(0.0).cutoffs

        assert effective_trials(held, dates, 5) < len(held) / 2

    def test_symbols_that_hit_alone_count_each(self):
        """Two of every date, independent: twice the dates."""
        days = np.repeat(np.arange("2010-01-01", "2014-01-01", dtype="M8[D]"), 2)
        held = np.random.default_rng(4).random(len(days)) < 0.8

        assert effective_trials(held, days, 1) == pytest.approx(len(days), rel=0.15)

    @pytest.mark.parametrize("share", [True, False])
    def test_without_a_hit_or_a_miss_dates_count_once_a_horizon(self, share):
        """There is no variance to go by: targets that do not overlap are counted."""
        days = np.repeat(np.arange("2010-01-01", "2010-02-20", dtype="M8[D]"), 3)

        assert effective_trials(np.full(len(days), share), days, 5) == 10

    def test_dates_that_balance_count_in_full(self):
        """A hit and a miss on every date leave no variance over dates."""
        days = np.repeat(np.arange("2010-01-01", "2010-03-01", dtype="M8[D]"), 2)

        assert effective_trials(np.arange(len(days)) % 2 == 0, days, 1) == len(days)


class TestKupiec:
    def test_is_the_likelihood_ratio(self):
        """930 of 1000 where 950 were promised, written out with SciPy."""
        gain = stats.binom.logpmf(930, 1000, 0.93) - stats.binom.logpmf(930, 1000, 0.95)

        assert kupiec(0.93, 0.95, 1000) == pytest.approx(stats.chi2.sf(2 * gain, 1))

    @pytest.mark.parametrize("trials", [20, 1e6])
    def test_what_was_promised_is_no_evidence(self, trials):
        """However many there are."""
        assert kupiec(0.8, 0.8, trials) == pytest.approx(1)

    def test_all_held(self):
        """A share of 1 has a likelihood, too."""
        assert kupiec(1.0, 0.95, 100) == pytest.approx(
            stats.chi2.sf(-200 * np.log(0.95), 1)
        )
