"""Skill by period and by symbol, against sums made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from closecast.evaluation.resampling import block_length, resample
from closecast.evaluation.scores import crps
from closecast.evaluation.slices import MAX_WITH_INTERVAL, slice_skill


def slices_of(world, **forecasts):
    """Slice a good forecast beside others."""
    all_ = {"closecast": world.forecast(0.0), **forecasts}
    return slice_skill(all_, world.truth, world.scale)


@pytest.fixture
def scored(world):
    """Three symbols in eight quarters beside two wide densities."""
    return slices_of(
        world,
        zero=world.forecast(0.0, spread=0.2),
        ewma_t=world.forecast(0.0, spread=1.5),
        har_t=world.forecast(0.0, spread=1.2),
    )


def test_a_symbol_has_the_skill_of_its_own_windows(world, scored):
    """One minus the ratio of its two sums."""
    own, other = world.forecast(0.0), world.forecast(0.0, spread=1.5)
    mine = own.symbols == "S1"
    ratio = crps(own, world.truth)[mine, 4] / world.scale[mine]
    theirs = crps(other, world.truth)[mine, 4] / world.scale[mine]
    (found,) = [
        one
        for one in scored
        if (one.group, one.horizon, one.baseline) == ("S1", 5, "ewma_t")
    ]
    assert found.kind == "symbol"
    assert found.skill_crps == pytest.approx(1 - ratio.sum() / theirs.sum())
    assert found.num_windows == mine.sum() == 695
    low, high = found.interval
    assert low < found.skill_crps < high


def test_periods_are_quarters_of_few_years_and_hold_every_window(scored):
    """The first and the last step, against the named densities alone."""
    periods = [one for one in scored if one.kind == "period"]
    quarters = list(dict.fromkeys(one.group for one in periods))
    assert quarters[:2] == ["2010 Q1", "2010 Q2"]
    assert len(quarters) == 8
    assert {one.horizon for one in periods} == {1, 5}
    assert {one.baseline for one in scored} == {"ewma_t", "har_t"}
    first = [
        one.num_windows
        for one in periods
        if (one.horizon, one.baseline) == (1, "har_t")
    ]
    assert sum(first) == 3 * 695


def test_many_years_are_years(make_world):
    """A quarter of a long test would say little."""
    world = make_world(symbols=1, sessions=1500)
    found = slices_of(world, har_t=world.forecast(0.0, spread=1.2))
    assert {one.group for one in found if one.kind == "period"} == {
        "2010",
        "2011",
        "2012",
        "2013",
        "2014",
    }


def test_of_many_symbols_none_has_an_interval(make_world):
    """Hundreds of bootstraps would cost more than they say."""
    world = make_world(symbols=MAX_WITH_INTERVAL + 1, sessions=40, horizon=1)
    found = slices_of(world, har_t=world.forecast(0.0, spread=1.2))
    symbols = [one for one in found if one.kind == "symbol"]
    assert len(symbols) == MAX_WITH_INTERVAL + 1
    assert all(one.interval is None for one in symbols)
    assert all(one.interval is not None for one in found if one.kind == "period")


def test_a_slice_of_few_dates_has_no_interval(make_world):
    """Nothing is said of chance where there is nothing to draw from."""
    world = make_world(symbols=2, sessions=15, horizon=1)
    found = slices_of(world, ewma_t=world.forecast(0.0, spread=1.2))
    assert found
    assert all(one.interval is None for one in found)
    assert np.isfinite([one.skill_crps for one in found]).all()


def test_without_the_named_densities_there_is_no_slice(world):
    """A skill against anything else would mean something else."""
    assert slices_of(world, zero=world.forecast(0.0, spread=0.2)) == ()


def test_slices_are_plain_values(scored):
    """Ready for JSON under their names."""
    assert scored[0].to_dict().keys() == {
        *("kind", "group", "horizon", "baseline"),
        *("skill_crps", "interval", "num_windows"),
    }


def test_a_baseline_that_never_errs_has_no_skill_beside_it(world):
    """Nothing is divided by 0."""
    own = world.forecast(0.0)
    exact = replace(own, mean=world.truth, quantiles=np.repeat(
        world.truth[..., None], own.quantiles.shape[-1], axis=-1))  # fmt: skip

    found = slices_of(world, zero=world.forecast(0.0, spread=0.2), ewma_t=exact)

    assert "ewma_t" not in {one.baseline for one in found}


def quarter(date):
    """The name of a date's quarter."""
    return f"{date.year} Q{(date.month + 2) // 3}"


@pytest.mark.parametrize(("symbols", "sessions"), [(2, 300), (1, 1105)])
def test_every_slice_is_what_loops_give(make_world, symbols, sessions):
    """Quarters of three years, years of four; windows in any order, some missing."""
    world = make_world(symbols=symbols, sessions=sessions, horizon=3)
    order = np.random.default_rng(1).permutation(len(world.truth))
    order = order[: 4 * len(order) // 5]
    scale = np.linspace(0.01, 0.03, len(world.truth))[order]
    truth = world.truth[order]
    forecasts = {
        "closecast": world.forecast(0.001).take(order),
        "har_t": world.forecast(0.0, spread=1.2).take(order),
        "zero": world.forecast(0.0, spread=0.2).take(order),
        "ewma_t": world.forecast(0.0, spread=1.5).take(order),
    }
    cutoffs = forecasts["zero"].cutoffs
    days = [date.item() for date in cutoffs]
    years = len({date.year for date in days})
    period = [str(date.year) if years >= 4 else quarter(date) for date in days]
    kinds = {"period": np.array(period), "symbol": forecasts["zero"].symbols}
    wanted = [
        (kind, group, step, name)
        for kind in ("period", "symbol")
        for group in sorted(set(kinds[kind]))
        for step in (1, 3)
        for name in ("har_t", "ewma_t")
    ]

    found = slice_skill(forecasts, truth, scale)

    assert [(one.kind, one.group, one.horizon, one.baseline) for one in found] == wanted
    for one in found:
        here = kinds[one.kind] == one.group
        losses = [
            (crps(forecasts[name], truth)[:, one.horizon - 1] / scale)[here]
            for name in ("closecast", "har_t", "ewma_t")
        ]
        place = ("har_t", "ewma_t").index(one.baseline) + 1
        sums = np.array(
            [
                [loss[cutoffs[here] == date].sum() for loss in losses]
                for date in np.unique(cutoffs[here])
            ]
        )
        assert one.num_windows == here.sum()
        assert one.skill_crps == pytest.approx(
            1 - losses[0].mean() / losses[place].mean()
        )
        if len(sums) >= 20:
            block = block_length(sums[:, 1:] - sums[:, :1], one.horizon)
            draws = resample(sums, block)
            ends = np.quantile(1 - draws[:, 0] / draws[:, place], [0.05, 0.95])
            assert one.interval == pytest.approx(tuple(ends))


def test_as_many_symbols_as_may_have_an_interval(make_world):
    """Forty do."""
    world = make_world(symbols=MAX_WITH_INTERVAL, sessions=40, horizon=1)
    found = slices_of(world, har_t=world.forecast(0.0, spread=1.2))

    assert all(one.interval is not None for one in found if one.kind == "symbol")


def test_small_losses_are_losses(make_world):
    """A single window of each symbol, and a baseline that errs by next to nothing."""
    world = make_world(symbols=3, sessions=60, horizon=1)
    rows = np.array([0, 59, 118])
    one = {
        name: world.forecast(0.0, spread=spread).take(rows)
        for name, spread in (("closecast", 1.0), ("har_t", 1.2))
    }
    found = slice_skill(one, world.truth[rows] / 9, world.scale[rows])
    assert {one.group for one in found if one.kind == "symbol"} == {"S0", "S1", "S2"}

    close = world.forecast(world.truth, spread=1e-3)
    slices = slices_of(world, ewma_t=close)
    assert all(one.interval is not None for one in slices)
