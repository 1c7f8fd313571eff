"""The leak tests let honest forecasters through and catch cheats."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from closecast.errors import LeakageError
from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import OwnColumn
from closecast.testing import Cheat, random_walk
from closecast.windows import leakage
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.leakage import (
    PROBE_DATES,
    LeakResult,
    adjustment_invariance,
    future_perturbation,
    require_no_leak,
    run_leak_tests,
    scaler_audit,
    target_overlap,
    truncation,
)
from closecast.windows.scaling import volatility
from closecast.windows.spec import WindowSpec
from closecast.windows.split import Split, split_by_date

SPEC = WindowSpec()


def cut(bars, cutoffs, spread):
    """A forecast of zero with this spread of the log return."""
    spread = np.broadcast_to(spread, (len(cutoffs),))[:, None, None]
    return Forecast(
        symbols=np.array([bars.symbol_of(row) for row in cutoffs]),
        cutoffs=bars.dates[cutoffs],
        target_dates=np.repeat(bars.dates[cutoffs][:, None], SPEC.horizon, axis=1),
        last_close=bars.close[cutoffs],
        mean=np.zeros((len(cutoffs), SPEC.horizon)),
        quantiles=np.zeros((1, SPEC.horizon, 1)) + spread * (2 * LEVELS - 1),
    )


@dataclass(frozen=True)
class Honest:
    """Spread from causal volatility."""

    name: str = "honest"

    def forecast(self, bars, cutoffs):
        return cut(bars, cutoffs, volatility(bars)[cutoffs])


@dataclass(frozen=True)
class WholeFrameScaler:
    """Spread from a statistic over the whole file: the classic leak."""

    name: str = "scaler"

    def forecast(self, bars, cutoffs):
        return cut(bars, cutoffs, np.std(np.diff(np.log(bars.close))))


@dataclass(frozen=True)
class PriceLevel:
    """Spread that depends on the price level."""

    name: str = "level"

    def forecast(self, bars, cutoffs):
        return cut(bars, cutoffs, 0.001 * bars.close[cutoffs])


@pytest.fixture
def bars():
    return random_walk(2, 200)


@pytest.fixture
def cutoffs(bars):
    return cutoffs_with_targets(bars, SPEC)


def test_an_honest_forecaster_passes_every_test(bars, cutoffs):
    """Causal volatility leaks nothing."""
    results = run_leak_tests(Honest(), bars, cutoffs)

    assert {r.name: r.passed for r in results} == {
        "future_perturbation": True,
        "truncation": True,
        "adjustment_invariance": True,
        "relabelling": True,
        "same_day": None,  # all symbols close at one hour
    }
    require_no_leak(results)


def test_a_test_without_anything_to_check_does_not_pass(bars):
    """Where no bar lies after a date nothing is proven, and that is said."""
    ends = bars.offsets[1:] - 1

    for leak_test in (future_perturbation, truncation):
        result = leak_test(WholeFrameScaler(), bars, ends)
        assert result.passed is None
        assert "nothing checked" in result.detail
        assert result.outcome == "nothing checked"
    assert scaler_audit({}, "2013-01-02").passed is None


def test_the_panel_as_it_is_is_forecast_once_for_each_probe(bars, cutoffs):
    """All tests together compare with the same forecasts, each made once."""
    asked = []

    class Watched(Honest):
        def forecast(self, some, rows):
            asked.append(some)
            return super().forecast(some, rows)

    run_leak_tests(Watched(), bars, cutoffs)

    assert sum(some is bars for some in asked) == PROBE_DATES
    assert len(asked) == 3 * PROBE_DATES + 2


def test_reading_the_future_is_caught(bars, cutoffs):
    """A forecaster that returns the truth moves when the future does."""
    result = future_perturbation(Cheat(SPEC), bars, cutoffs)

    assert not result.passed
    with pytest.raises(LeakageError, match="future_perturbation"):
        require_no_leak([result])


@pytest.mark.parametrize("leak_test", [future_perturbation, truncation])
def test_a_scaler_over_the_whole_frame_is_caught(leak_test, bars, cutoffs):
    """Statistics that saw the test block ring the alarm."""
    assert not leak_test(WholeFrameScaler(), bars, cutoffs).passed


def test_learning_the_price_level_is_caught(bars, cutoffs):
    """A forecast that a split would move is refused."""
    assert not adjustment_invariance(PriceLevel(), bars, cutoffs).passed


def test_a_hundredth_of_the_spread_is_learned_from_the_level(bars, cutoffs):
    """Little, and more than rounding: caught where forecasts are small as well."""

    @dataclass(frozen=True)
    class Hardly(Honest):
        def forecast(self, bars, cutoffs):
            scale = volatility(bars)[cutoffs]
            return cut(bars, cutoffs, scale * (1 + 1e-2 * np.log(bars.close[cutoffs])))

    assert not adjustment_invariance(Hardly(), bars, cutoffs).passed


def test_an_adjusted_panel_has_other_prices_and_the_same_turnover(bars, cutoffs):
    """Prices times 7.3, volumes divided by it; of the newest cutoffs."""
    seen = []

    class Watched(Honest):
        def forecast(self, some, rows):
            seen.append((some, rows))
            return super().forecast(some, rows)

    adjustment_invariance(Watched(), bars, cutoffs)

    (_, rows), (adjusted, same) = seen
    assert np.array_equal(rows, same)
    np.testing.assert_allclose(adjusted.values[:, :4], 7.3 * bars.values[:, :4])
    np.testing.assert_allclose(adjusted.values[:, 4], bars.values[:, 4] / 7.3)


@pytest.mark.parametrize("count", [1, 30])
def test_few_cutoffs_are_all_probed(bars, cutoffs, count):
    """Up to each of some dates among them, never none."""
    some = cutoffs[10 : 10 + count]
    result = future_perturbation(Honest(), bars, some)

    assert result.passed is True
    assert " 0 of 0" not in result.detail


def test_noise_is_valid_and_knows_nothing_of_what_it_replaces(bars):
    """The same for any bars; what is not replaced stays."""
    replaced = np.arange(len(bars)) % 3 == 0
    other = replace(bars, values=2 * bars.values)
    one, two = (leakage.with_noise(panel, replaced, 5) for panel in (bars, other))

    assert np.array_equal(one.values[~replaced], bars.values[~replaced])
    assert np.array_equal(one.values[replaced], two.values[replaced])
    noise = one.values[replaced]
    assert (noise > 0).all()
    assert (noise[:, 1] >= noise[:, [0, 3]].max(axis=1)).all()
    assert (noise[:, 2] <= noise[:, [0, 3]].min(axis=1)).all()
    assert (noise != bars.values[replaced]).all()


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("block", ["train", "validation"])
def test_a_target_on_the_next_blocks_first_target_is_caught(block, late):
    """The session before it is the last that a target may have."""
    bars = random_walk(1, 200)
    split = split_by_date(bars, SPEC)
    after = {"train": split.validation, "validation": split.test}[block]
    last = after[0] + 1 - SPEC.horizon - 1 + late
    longer = replace(split, **{block: np.arange(getattr(split, block)[0], last + 1)})

    assert target_overlap(bars, longer, SPEC).passed is not bool(late)


def test_an_overlapping_split_is_caught(bars):
    """A training target on the first validation date fails the audit."""
    split = split_by_date(bars, SPEC)
    late = Split(
        validation_start=split.validation_start,
        test_start=split.test_start,
        train=np.append(split.train, split.train[-1] + SPEC.horizon),
        validation=split.validation,
        test=split.test,
    )

    assert target_overlap(bars, split, SPEC).passed
    assert not target_overlap(bars, late, SPEC).passed


def test_what_was_fitted_before_the_cut_passes():
    """Each fitted statistic ends before the next block, and the figures are said."""
    result = scaler_audit(
        {"ridge": ("2000-01-03", "2012-12-28"), "har_t": ("2001-01-02", "2012-12-31")},
        "2013-01-02",
    )

    assert result.passed
    assert "2000-01-03 to 2012-12-31" in result.detail


@pytest.mark.parametrize("last", ["2013-01-02", "2015-06-30"])
def test_what_was_fitted_on_the_next_block_is_caught(last):
    """A statistic that saw the cut's own date is named."""
    result = scaler_audit(
        {"ridge": ("2000-01-03", last), "har_t": ("2000-01-03", "2012-12-31")},
        "2013-01-02",
    )

    assert not result.passed
    assert result.detail.endswith("ridge reached into it")
    with pytest.raises(LeakageError, match="scaler_audit"):
        require_no_leak([result])


@pytest.mark.parametrize(
    ("moved", "count", "passed", "outcome"),
    [
        (0, 0, None, "nothing checked"),
        (0, 7, True, "passed"),
        (1, 7, False, "LEAK"),
    ],
)
def test_an_outcome_is_what_was_counted(moved, count, passed, outcome):
    """Where nothing was compared nothing is proved."""
    result = LeakResult.counted("truncation", moved, count, "cut")

    assert (result.passed, result.outcome) == (passed, outcome)
    assert result.detail.startswith("cut: ")


@pytest.mark.parametrize(
    ("kind", "moves"), [("past", True), ("known", True), ("static", False)]
)
def test_own_columns_of_the_future_are_replaced_too(kind, moves):
    """But those that are the same always: they tell nothing of a date."""
    bars = random_walk(1, 60)
    told = np.linspace(10, 20, 60)[:, None]  # beyond what replaces them
    own = {"mine": OwnColumn(kind=kind, told=told)}
    replaced = np.arange(60) > 40

    noisy = leakage._noisy_own(
        replace(bars, own=own), replaced, np.random.default_rng(1)
    )

    assert np.array_equal(noisy["mine"].told[:41], told[:41])
    assert np.array_equal(noisy["mine"].told[41:], told[41:]) is not moves
