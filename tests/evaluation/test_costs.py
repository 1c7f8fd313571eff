"""An edge is told with what it costs."""

import numpy as np
import pytest

from closecast.evaluation.costs import COSTS_BP, cost_curve
from closecast.evaluation.resampling import block_length, drawn_counts


def test_no_direction_has_no_curve(world):
    """A forecast of zero trades nothing."""
    assert cost_curve(world.forecast(0.0), world.truth) is None


def test_a_naive_loop_agrees(make_world):
    """Edge and turnover of two symbols, session by session."""
    world = make_world(symbols=2, sessions=60)
    mean = np.random.default_rng(1).normal(size=world.truth.shape)
    curve = cost_curve(world.forecast(mean), world.truth, trials=7)

    gains, traded, held = [], [], {}
    for day in range(55):
        rows = [day, 55 + day]
        signs = [np.sign(mean[row, 0]) for row in rows]
        gains.append(
            np.mean([s * world.truth[r, 0] for s, r in zip(signs, rows, strict=True)])
        )
        traded.append(np.mean([abs(s - held.get(i, 0.0)) for i, s in enumerate(signs)]))
        held = dict(enumerate(signs))

    assert curve.edge_bp == pytest.approx(1e4 * np.mean(gains))
    assert curve.turnover == pytest.approx(np.mean(traded))
    assert curve.trials == 7
    point = curve.points[COSTS_BP.index(10.0)]
    assert point.edge_bp == pytest.approx(curve.edge_bp - 10 * curve.turnover)


def test_the_break_even_leaves_nothing(world):
    """Edge over turnover is the cost at which the net edge is 0."""
    noisy = world.truth + np.random.default_rng(2).normal(0, 0.1, world.truth.shape)
    curve = cost_curve(world.forecast(noisy), world.truth)

    assert curve.edge_interval_bp[0] > 0
    assert curve.break_even_bp == pytest.approx(curve.edge_bp / curve.turnover)
    edges = [point.edge_bp for point in curve.points]
    assert edges == sorted(edges, reverse=True)
    assert curve.points[0].sharpe > curve.points[-1].sharpe


def test_a_loss_has_no_break_even(world):
    """Who is wrong before cost is not saved by cheap trading."""
    curve = cost_curve(world.forecast(-world.truth), world.truth)

    assert curve.edge_bp < 0
    assert curve.break_even_bp is None
    assert curve.to_dict()["points"][0]["cost_bp"] == 0


def test_the_sharpe_ratio_lies_in_its_interval(world):
    """At every cost; of few dates there is no interval."""
    noisy = world.truth + np.random.default_rng(3).normal(0, 0.1, world.truth.shape)
    for point in cost_curve(world.forecast(noisy), world.truth).points:
        low, high = point.sharpe_interval
        assert low < point.sharpe < high
        assert high - low < 4 * np.sqrt(252 / 695) * 1.645

    few = np.arange(10)
    short = cost_curve(world.forecast(noisy).take(few), world.truth[few])
    assert {point.sharpe_interval for point in short.points} == {None}


def _by_loops(forecast, truth):
    """Gain and units traded of each date, symbols that come late or pause included."""
    held, gains, traded = {}, [], []
    for date in sorted(set(forecast.cutoffs.tolist())):
        rows = [n for n, one in enumerate(forecast.cutoffs.tolist()) if one == date]
        signs = {forecast.symbols[n]: np.sign(forecast.mean[n, 0]) for n in rows}
        gains.append(np.mean([signs[forecast.symbols[n]] * truth[n, 0] for n in rows]))
        traded.append(
            np.mean([abs(sign - held.get(name, 0.0)) for name, sign in signs.items()])
        )
        held |= signs
    return np.array(gains), np.array(traded)


@pytest.fixture
def ragged(make_world):
    """Windows of four symbols in any order, a third of them missing, some undecided."""
    world, random = make_world(symbols=4, sessions=105), np.random.default_rng(4)
    rows = random.permutation(len(world.truth))[: 2 * len(world.truth) // 3]
    mean = 0.3 * world.truth + random.normal(0, 0.02, world.truth.shape)
    mean[random.random(len(mean)) < 0.1] = 0.0
    return world.forecast(mean).take(rows), world.truth[rows]


def test_every_point_is_what_loops_give(ragged):
    """Mean over deviation of a year of 252 sessions, at each cost."""
    curve = cost_curve(*ragged)
    gains, traded = _by_loops(*ragged)

    assert curve.num_dates == len(gains)
    assert curve.edge_bp == pytest.approx(1e4 * gains.mean())
    assert curve.turnover == pytest.approx(traded.mean())
    assert curve.break_even_bp == pytest.approx(1e4 * gains.mean() / traded.mean())
    assert [point.cost_bp for point in curve.points] == list(COSTS_BP)
    for point in curve.points:
        net = gains - point.cost_bp / 10_000 * traded
        assert point.edge_bp == pytest.approx(1e4 * net.mean())
        yearly = net.mean() * 252 / (net.std() * np.sqrt(252))
        assert point.sharpe == pytest.approx(yearly)


def test_intervals_are_those_of_drawn_dates(ragged):
    """Edge and Sharpe ratio of each repetition, its dates written out."""
    curve = cost_curve(*ragged)
    gains, traded = _by_loops(*ragged)
    counts = drawn_counts(len(gains), block_length(gains[:, None], 1))
    drawn = [np.repeat(np.arange(len(gains)), one.astype(int)) for one in counts]

    def ends(figures):
        return tuple(np.quantile(figures, [0.05, 0.95]))

    edges = [1e4 * gains[dates].mean() for dates in drawn]
    assert curve.edge_interval_bp == pytest.approx(ends(edges))
    for point in curve.points[:: len(COSTS_BP) - 1]:
        net = gains - point.cost_bp / 10_000 * traded
        ratios = [
            net[dates].mean() / net[dates].std() * np.sqrt(252) for dates in drawn
        ]
        assert point.sharpe_interval == pytest.approx(ends(ratios))


def test_gains_that_never_vary_have_no_ratio(make_world):
    """Nor an interval of one, though the edge has one."""
    world = make_world(symbols=1, sessions=65, horizon=1)
    same = np.full_like(world.truth, 0.125)
    curve = cost_curve(world.forecast(same), same)

    assert curve.points[0].sharpe is None
    assert curve.points[0].sharpe_interval is None
    assert curve.edge_interval_bp == pytest.approx((1250.0, 1250.0))


@pytest.mark.parametrize("edge", [0.0, -0.125])
def test_without_an_edge_nothing_breaks_even(make_world, edge):
    """An edge of exactly nothing is none."""
    world = make_world(symbols=1, sessions=65, horizon=1)
    up = np.full_like(world.truth, 0.125)

    assert cost_curve(world.forecast(up), 0 * up + edge).break_even_bp is None
