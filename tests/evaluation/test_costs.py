"""An edge is told with what it costs."""

import numpy as np
import pytest

from closecast.evaluation.costs import COSTS_BP, cost_curve


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
