"""Other symbols count from the moment that their close is known."""

import calendar

import numpy as np
import pytest

from closecast.market.bars import from_columns
from closecast.windows.peers import (
    ALWAYS,
    FEWEST_PEERS,
    HALF_LIVES,
    KOREA,
    NEW_YORK,
    NORMAL_RANGE,
    OTHER,
    _shut_in_korea,
    _shut_in_new_york,
    markets,
    own_market,
    world_before,
)

DAYS = np.arange("2019-01-01", "2020-01-01", dtype="datetime64[D]")
WEEKDAYS = DAYS[np.is_busday(DAYS)]
HOLIDAYS = {
    "us": ("2019-02-18", "2019-05-27", "2019-07-04", "2019-09-02", "2019-11-28"),
    "kr": ("2019-03-01", "2019-08-15", "2019-10-03", "2019-12-31"),
}
SESSIONS = {
    "coin": DAYS,
    "us": np.setdiff1d(WEEKDAYS, np.array(HOLIDAYS["us"], "M8[D]")),
    "kr": np.setdiff1d(WEEKDAYS, np.array(HOLIDAYS["kr"], "M8[D]")),
    "eu": WEEKDAYS,
}


def panel(**counts):
    """So many symbols of each market, all prices 1."""
    parts = [
        (f"{market}{number}", SESSIONS[market])
        for market, count in counts.items()
        for number in range(count)
    ]
    symbols = np.concatenate([np.full(len(dates), name) for name, dates in parts])
    dates = np.concatenate([dates for _, dates in parts])
    return from_columns(symbols, dates, np.ones((len(dates), 5)))


def looked(look, bars, shock):
    """States of one look, where some rows have a surprise of 3."""
    every, zeros = np.ones(len(bars), bool), np.zeros(len(bars))
    return look(bars, every, np.where(shock, 3.0, 0.0), zeros)


@pytest.mark.parametrize(
    ("market", "code"),
    [("coin", ALWAYS), ("us", NEW_YORK), ("kr", KOREA), ("eu", OTHER)],
)
def test_a_market_shows_itself_by_its_holidays(market, code):
    """By the end of a year each is told from the others."""
    assert markets(panel(**{market: 1}))[-1] == code


@pytest.mark.parametrize(
    ("shut", "always"), [((), True), ((5,), False), ((6,), False), ((4, 5), False)]
)
def test_who_trades_around_the_week_has_shown_both_its_ends(shut, always):
    """A bourse that is open from Sunday to Thursday, or on Saturdays, is no coin."""
    days = DAYS[~np.isin((DAYS.astype(np.int64) + 3) % 7, shut)]
    bars = from_columns(np.full(len(days), "A"), days, np.ones((len(days), 5)))

    assert (markets(bars)[-1] == ALWAYS) is np.bool_(always)


@pytest.mark.parametrize("market", ["coin", "us", "kr"])
def test_a_first_bar_shows_as_much_as_any(market):
    """Each of two symbols that begin on the days that tell them apart."""
    days = {
        "coin": ["2019-06-01", "2019-06-02"],
        "us": ["2019-08-15"],
        "kr": ["2019-07-04"],
    }[market]
    code = {"coin": ALWAYS, "us": NEW_YORK, "kr": KOREA}[market]
    dates = np.array(days, "M8[D]")
    bars = from_columns(
        np.repeat(["A", "B"], len(dates)), np.tile(dates, 2),
        np.ones((2 * len(dates), 5)),
    )  # fmt: skip

    assert markets(bars)[[len(dates) - 1, -1]].tolist() == [code, code]


def test_seoul_is_shut_on_five_days_of_a_year():
    """Independence Movement, Children's, Liberation, Foundation, and the last day."""
    days = np.arange("1990-01-01", "2031-01-01", dtype="datetime64[D]")
    shut = {
        np.datetime64(f"{year}-{day}")
        for year in range(1990, 2031)
        for day in ("03-01", "05-05", "08-15", "10-03", "12-31")
    }

    assert set(days[_shut_in_korea(days)]) == shut


def test_a_market_is_not_known_before_it_shows():
    """On the first day a symbol is of no market."""
    assert markets(panel(coin=1, us=1, kr=1))[[0, 365]].tolist() == [OTHER, OTHER]


@pytest.mark.parametrize(
    ("who", "sees"), [("us", True), ("kr", False), ("coin", False)]
)
def test_the_same_date_is_seen_in_its_own_market_only(who, sees):
    """New York's day is no news in Seoul, which has closed before it opens."""
    bars = panel(us=FEWEST_PEERS, kr=FEWEST_PEERS, coin=FEWEST_PEERS)
    day = np.datetime64("2019-12-18")
    american = np.char.startswith(bars.names(np.arange(len(bars))), "us")
    calm = looked(own_market, bars, np.zeros(len(bars), bool))
    wild = looked(own_market, bars, american & (bars.dates == day))
    row = np.flatnonzero(
        np.char.startswith(bars.names(np.arange(len(bars))), who) & (bars.dates == day)
    )[0]

    assert bool((calm[row] != wild[row]).any()) == sees


def test_the_world_is_seen_a_date_later():
    """What happened anywhere is known on the next date, not on the same."""
    bars = panel(us=FEWEST_PEERS, eu=1)
    day = np.datetime64("2019-06-12")
    calm = looked(world_before, bars, np.zeros(len(bars), bool))
    wild = looked(world_before, bars, bars.dates == day)
    moved = np.unique(bars.dates[(calm != wild).any(axis=1)])

    assert moved[0] == day + 1


def test_too_few_symbols_are_no_market():
    """One symbol alone does not pass for the market."""
    bars = panel(us=FEWEST_PEERS - 1)

    assert not looked(own_market, bars, np.ones(len(bars), bool)).any()


def test_a_panel_that_nobody_takes_part_in_has_no_world():
    """Without a counted row every state is 0."""
    bars = panel(us=2)
    none, zeros = np.zeros(len(bars), bool), np.zeros(len(bars))

    assert not world_before(bars, none, zeros, zeros).any()


def state_by_hand(days, surprise, active):
    """The six states of each date, in plain loops, where ranks are whole."""
    states, total, weight = {}, np.zeros(len(HALF_LIVES)), np.zeros(len(HALF_LIVES))
    for day in np.unique(days):
        own, busy = np.sort(surprise[days == day]), np.sort(active[days == day])
        enough = len(own) >= FEWEST_PEERS
        for at, half_life in enumerate(HALF_LIVES):
            kept = 2.0 ** (-1.0 / half_life)
            total[at] = kept * total[at] + enough * np.mean(own**2)
            weight[at] = kept * weight[at] + enough
        if enough:
            last = len(own) - 1
            middle, low, high = (own[round(s * last)] for s in (0.5, 0.1, 0.9))
            spread = np.log(0.1 + (high - low) / NORMAL_RANGE) - np.log(1.1)
            mean = 0.5 * np.log(0.01 + total / weight)
            states[day] = [middle, spread, busy[round(0.5 * last)], *mean]
    return states


def test_the_world_is_what_plain_loops_make_of_it():
    """Median, spread, activity and three decaying averages, of the date before."""
    dates = WEEKDAYS[:40]
    symbols = [f"S{number:02}" for number in range(21)]
    bars = from_columns(np.repeat(symbols, 40), np.tile(dates, 21), np.ones((840, 5)))
    random = np.random.default_rng(8)
    surprise, active = random.normal(size=(2, len(bars)))
    thin = np.isin(bars.dates, dates[[0, 7, 8]]) & (bars.symbol_ids > 3)
    counted = ~thin  # some dates have too few symbols

    found = world_before(bars, counted, surprise, active)
    by_hand = state_by_hand(bars.dates[counted], surprise[counted], active[counted])

    for row in range(len(bars)):
        before = dates[dates < bars.dates[row]]
        expected = by_hand.get(before[-1] if len(before) else None, np.zeros(6))
        np.testing.assert_allclose(found[row], expected, atol=1e-12)


def test_a_market_is_what_plain_loops_make_of_it():
    """Of its own symbols on the same date; on a date that it has not, nothing."""
    bars = panel(us=21, kr=FEWEST_PEERS, coin=FEWEST_PEERS, eu=3)
    code = markets(bars)
    random = np.random.default_rng(9)
    surprise, active = random.normal(size=(2, len(bars)))
    late = np.isin(bars.symbol_ids, [0, 1]) & (bars.dates < np.datetime64("2019-11-01"))
    counted = ~late & ~np.isin(bars.dates, np.array(["2019-12-19"], "M8[D]"))
    counted |= bars.symbol_ids >= 21
    counted &= bars.dates < np.datetime64("2019-12-27")
    found = own_market(bars, counted, surprise, active)

    for market in (ALWAYS, NEW_YORK, KOREA):
        part = counted & (code == market)
        by_hand = state_by_hand(bars.dates[part], surprise[part], active[part])
        assert by_hand
        for row in np.flatnonzero(code == market):
            expected = by_hand.get(bars.dates[row], np.zeros(6))
            np.testing.assert_allclose(found[row], expected, atol=1e-12)
    assert not found[code == OTHER].any()


def test_a_market_knows_its_own_last_date():
    """Its state at the end of the panel is that of the same date."""
    bars = panel(us=FEWEST_PEERS)
    states = looked(own_market, bars, np.ones(len(bars), bool))

    assert states[bars.dates == bars.dates.max()].any(axis=1).all()


def test_new_york_is_shut_on_its_mondays_and_one_thursday():
    """Third in February, last in May, first in September, fourth in November."""
    days = np.arange("1990-01-01", "2031-01-01", dtype="datetime64[D]")
    shut = _shut_in_new_york(days, (days.astype(np.int64) + 3) % 7)
    expected = {np.datetime64(f"{year}-07-04") for year in range(1990, 2031)}
    for year in range(1990, 2031):
        for month, weekday, place in ((2, 0, 2), (5, 0, -1), (9, 0, 0), (11, 3, 3)):
            weeks = calendar.monthcalendar(year, month)
            found = [week[weekday] for week in weeks if week[weekday]]
            expected.add(np.datetime64(f"{year}-{month:02}-{found[place]:02}"))

    assert set(days[shut]) == expected
