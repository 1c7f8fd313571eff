"""``--watch`` runs after each close, and again where something is missing."""

import datetime as dt
from dataclasses import replace

import pytest

from closecast.errors import IntegrityError
from closecast.serving.daily import watching
from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.watching import Told, next_run, watch


class Days:
    """A clock whose sleep lets time pass, and who is told of it."""

    def __init__(self, now: dt.datetime) -> None:
        self.time, self.done, self.failed, self.until = now, [], [], []

    def clock(self) -> WallClock:
        """Give the clock."""

        def sleep(seconds: float) -> None:
            assert 0 < seconds <= 60
            self.time += dt.timedelta(seconds=seconds)

        return WallClock(now=lambda: self.time, sleep=sleep)

    def told(self) -> Told:
        """Keep what is told."""
        return Told(
            done=self.done.append, failed=self.failed.append, waiting=self.until.append
        )


@pytest.mark.parametrize(
    ("market", "now", "then"),
    [
        ("XNYS", "2013-02-27T22:00+00:00", "2013-02-28T21:30+00:00"),
        ("XNYS", "2013-03-01T21:29+00:00", "2013-03-01T21:30+00:00"),
        ("XNYS", "2013-03-01T21:30+00:00", "2013-03-04T21:30+00:00"),
        ("XNYS", "2012-07-03T12:00+00:00", "2012-07-03T17:30+00:00"),
        ("XKRX", "2024-02-08T12:00+00:00", "2024-02-13T07:00+00:00"),
        ("24/7", "2024-02-10T12:00+00:00", "2024-02-11T00:30+00:00"),
    ],
)
def test_the_next_run_follows_the_exchange(market, now, then):
    """Weekends, holidays and short days are those of its calendar."""
    found = next_run([market], dt.datetime.fromisoformat(now), 30)

    assert found == dt.datetime.fromisoformat(then)


def test_of_several_markets_the_first_close_counts():
    """Seoul closes before New York."""
    now = dt.datetime.fromisoformat("2024-02-06T00:00+00:00")

    assert next_run(["XNYS", "XKRX"], now, 10).hour == 6


def test_a_run_after_each_close(desk, monkeypatch):
    """The first at once, the next ones with the delay."""
    days = Days(desk.evening(-4))
    run = watching.daily

    def with_new_prices(config, clock):
        dates = [date for date in desk.dates if date <= clock.now().date()]
        desk.bring(list(desk.dates).index(dates[-1]) - len(desk.dates))
        return run(config, clock)

    monkeypatch.setattr(watching, "daily", with_new_prices)
    desk.bring(-4)
    watch(desk.config, days.told(), days.clock(), runs=3)

    assert [done.cutoffs[0] for done in days.done] == [
        date.item() for date in desk.dates[-4:-1]
    ]
    assert all(one.late == 0 for done in days.done for one in done.recorded)
    assert (days.failed, [u.time() for u in days.until[:2]]) == (
        [],
        [dt.time(21, 30)] * 2,
    )


def test_bars_that_are_missing_are_asked_for_again(desk):
    """Every quarter of an hour, until the vendor has them."""
    days = Days(desk.evening(-3))
    desk.bring(-3)

    watch(desk.config, days.told(), days.clock(), runs=4)

    assert [bool(done.cutoffs) for done in days.done] == [True, False, False, False]
    waits = [b - a for a, b in zip(days.until, days.until[1:], strict=False)]
    assert waits[0] == waits[1] == dt.timedelta(minutes=15)


def test_a_run_that_failed_is_told_and_tried_again(desk):
    """The watch goes on."""
    days = Days(desk.evening(-3))
    desk.file.write_text("no prices")

    watch(desk.config, days.told(), days.clock(), runs=2)

    assert len(days.failed) == 2
    assert days.until[0] - desk.evening(-3) == dt.timedelta(minutes=15)


def test_a_broken_chain_ends_the_watch(desk, monkeypatch):
    """Nothing mends it but a person."""
    days = Days(desk.evening(-3))

    def broken(*_):
        raise IntegrityError("Expected a ledger as it was written, got another.")

    monkeypatch.setattr(watching, "daily", broken)

    with pytest.raises(IntegrityError, match="as it was written"):
        watch(desk.config, days.told(), days.clock())


def test_a_calendar_of_the_settings_counts(desk):
    """Whatever the prices look like."""
    days = Days(desk.evening(-3))
    desk.bring(-3)

    watch(replace(desk.config, calendar="XKRX"), days.told(), days.clock(), runs=1)

    assert days.until[0].time() == dt.time(6, 30)  # Seoul closed at 15:00 then
