"""Dates are held against the exchange that they fit, and no other."""

import numpy as np
import pytest

from closecast.market.bars import from_columns
from closecast.market.calendar import exchange_sessions
from closecast.market.doctor import check_bars
from closecast.market.sessions import exchange_of, missing_sessions

KRX = exchange_sessions("XKRX", 2018, 2021)
KRX = KRX[(np.datetime64("2019-01-01") <= KRX) & (np.datetime64("2020-12-01") > KRX)]


def panel(dates, close):
    values = np.column_stack([close, close, close, close, np.ones(len(close))])
    return from_columns(np.full(len(close), "A"), dates, values)


def test_an_exchange_is_known_with_its_gaps():
    """A few sessions may be missing; they are listed."""
    dates = np.delete(KRX, [100, 101, 200])

    assert exchange_of(dates) == "XKRX"
    assert missing_sessions(dates, "XKRX").tolist() == KRX[[100, 101, 200]].tolist()


@pytest.mark.parametrize("step", [1, 7])
def test_other_rhythms_fit_none(step):
    """Every day, and every week, are no exchange."""
    assert exchange_of(np.datetime64("2019-01-04") + step * np.arange(400)) is None


def test_limits_and_more_are_told_apart():
    """A close at KRX's limit is a limit day, a move beyond it is no market."""
    close = np.full(len(KRX), 1000.0) + np.arange(len(KRX))
    close[50:] *= 1.297
    close[90:] *= 0.66
    found = {f.kind: f for f in check_bars(panel(KRX, close))}

    assert found["limit"].date == str(KRX[50])
    assert found["beyond_limit"].date == str(KRX[90])
    assert "30%" in found["beyond_limit"].what


def test_missing_sessions_are_one_finding():
    """First and last of them are given, and their number."""
    dates = np.delete(KRX, [100, 101, 200])
    close = 1000 * np.exp(np.random.default_rng(0).normal(0, 0.01, len(dates)).cumsum())
    (found,) = [f for f in check_bars(panel(dates, close)) if f.kind == "missing"]

    assert "every session of XKRX, got 3 without" in found.what
    assert found.until > found.date


def test_a_list_of_survivors_is_told():
    """Of twenty symbols over two years none ended: that is too good."""
    close = 1000 * np.exp(np.random.default_rng(0).normal(0, 0.01, len(KRX)).cumsum())
    values = np.column_stack([close, close, close, close, np.ones(len(close))])
    names = np.repeat([f"S{at:02d}" for at in range(20)], len(KRX))
    many = from_columns(
        names, np.tile(KRX, 20), np.outer(np.arange(1, 21), values).reshape(-1, 5)
    )
    ended = many.select((many.symbol_ids > 0) | (many.dates < KRX[300]))

    assert [f.kind for f in check_bars(many)] == ["survivors"]
    assert check_bars(ended) == []
