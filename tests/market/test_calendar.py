"""Targets fall on real sessions."""

import numpy as np
import pytest

from closecast.errors import SettingError
from closecast.market.bars import from_columns
from closecast.market.calendar import next_sessions, rhythm, target_sessions
from closecast.market.sample import sample_bars

WEEKDAYS = np.arange("2023-01-02", "2024-07-03", dtype="datetime64[D]")
WEEKDAYS = WEEKDAYS[np.is_busday(WEEKDAYS)]
EVERY_DAY = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")


def panel(**dates):
    names = np.repeat(list(dates), [len(days) for days in dates.values()])
    days = np.concatenate(list(dates.values()))
    return from_columns(names, days, np.ones((len(days), 5)))


def days(*texts):
    return np.array(texts, dtype="datetime64[D]")


class TestTargetSessions:
    def test_inside_the_panel_the_own_dates_count(self):
        """A symbol's gaps are its own; the next symbol's dates are never taken."""
        own = days("2024-01-02", "2024-01-05", "2024-02-01", "2024-02-07")
        bars = panel(A=own, B=days("2030-01-01"))
        found = target_sessions(bars, np.array([0, 1]), 2, "XNYS")

        np.testing.assert_array_equal(found, [own[1:3], own[2:4]])

    def test_beyond_the_end_the_calendar_counts(self):
        """Own dates first, then the exchange's, over Good Friday and the weekend."""
        bars = panel(A=days("2024-03-26", "2024-03-27", "2024-03-28"), B=WEEKDAYS[-3:])
        found = target_sessions(bars, np.array([1, 5]), 3, "XNYS")

        np.testing.assert_array_equal(
            found[0], days("2024-03-28", "2024-04-01", "2024-04-02")
        )
        np.testing.assert_array_equal(  # without 4 July
            found[1], days("2024-07-03", "2024-07-05", "2024-07-08")
        )

    def test_each_symbol_has_its_own_rhythm(self):
        """A coin goes on over the weekend, a stock waits for Monday."""
        coin = EVERY_DAY[: int(np.searchsorted(EVERY_DAY, days("2024-02-16")[0])) + 1]
        bars = panel(COIN=coin, STOCK=WEEKDAYS[coin[-1] >= WEEKDAYS])
        found = target_sessions(bars, bars.offsets[1:] - 1, 2)

        np.testing.assert_array_equal(found[0], days("2024-02-17", "2024-02-18"))
        np.testing.assert_array_equal(found[1], days("2024-02-19", "2024-02-20"))

    def test_the_sample_goes_on_at_nyse(self):
        """Good Friday 2013 is no session of any sample stock, 28 ahead or less."""
        bars = sample_bars()
        found = target_sessions(bars, bars.offsets[1:] - 1, 28)

        assert (np.diff(found, axis=1) > np.timedelta64(0)).all()
        assert np.datetime64("2013-03-29") not in found
        assert np.datetime64("2013-03-28") in found

    def test_an_unknown_code_names_near_ones(self):
        """A slip of the finger is helped."""
        with pytest.raises(SettingError, match=r"got 'XNYZ'\. Did you mean .*XNYS"):
            target_sessions(panel(A=WEEKDAYS), np.array([0]), 1, "XNYZ")

    def test_an_unknown_code_near_nothing(self):
        """Without a near one nothing is proposed."""
        with pytest.raises(SettingError, match=r"got '@@@@'\. Choose one"):
            next_sessions(WEEKDAYS, 1, "@@@@")


class TestNextSessions:
    @pytest.mark.parametrize(
        ("calendar", "expected"),
        [
            ("24/7", "2024-02-09"),
            ("weekdays", "2024-02-09"),
            ("XNYS", "2024-02-09"),
            ("XKRX", "2024-02-13"),  # Lunar New Year
            ("NYSE", "2024-02-09"),
        ],
    )
    def test_every_calendar_has_its_holidays(self, calendar, expected):
        """The session after Thursday 2024-02-08."""
        assert str(next_sessions(days("2024-02-08"), 1, calendar)[0]) == expected

    def test_a_weekend_start_goes_to_monday(self):
        """A last date on Saturday is followed by Monday."""
        found = next_sessions(days("2024-02-10"), 2, "weekdays")

        np.testing.assert_array_equal(found, days("2024-02-12", "2024-02-13"))

    @pytest.mark.parametrize("last", ["1890-01-02", "1950-06-30", "2190-01-05"])
    def test_beyond_the_calendar_weekdays_count(self, last):
        """Years that no calendar of Korea reaches get weekdays, on and on."""
        found = next_sessions(days(last), 10, "XKRX")

        np.testing.assert_array_equal(found, np.busday_offset(last, range(1, 11)))

    def test_where_the_calendar_stops_weekdays_go_on(self):
        """Across the calendar's last session the dates stay ascending."""
        found = next_sessions(days("2050-12-01"), 60, "XKRX")

        assert len(found) == 60
        assert (np.diff(found).astype(int) > 0).all()
        assert np.is_busday(found).all()


class TestRhythm:
    def test_weekdays_with_holidays_are_no_exchange(self):
        """A simulated market on every weekday is told from New York."""
        assert rhythm(WEEKDAYS) == "weekdays"

    def test_every_day_is_a_coin(self):
        """Saturdays and Sundays make it 24/7."""
        assert rhythm(EVERY_DAY) == "24/7"

    def test_korea_is_recognised(self):
        """Sessions of Seoul are Seoul's."""
        first = days("2023-01-31")
        sessions = np.concatenate([first, next_sessions(first, 250, "XKRX")])

        assert rhythm(sessions) == "XKRX"

    def test_one_missing_session_is_no_match(self):
        """An exchange is recognised by all of its sessions."""
        first = days("2023-01-31")
        sessions = np.concatenate([first, next_sessions(first, 200, "XNYS")])

        assert rhythm(sessions) == "XNYS"
        assert rhythm(np.delete(sessions, 100)) == "weekdays"

    def test_few_dates_tell_nothing(self):
        """A month of dates fits more than one exchange."""
        assert rhythm(next_sessions(days("2024-03-01"), 20, "XNYS")) == "weekdays"
