"""A database that is away: a run is made again until it answers, and loses nothing."""

from dataclasses import replace

import pytest

from closecast.errors import LedgerAwayError, LedgerError
from closecast.serving.daily import job
from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.job import daily
from closecast.serving.daily.patience import TRIES, until_it_answers
from closecast.serving.ledger import Ledger


def test_it_waits_longer_each_time_and_says_so():
    """Three minutes in all, and then the error itself."""
    slept, told = [], []
    clock = WallClock(sleep=slept.append)

    def away():
        raise LedgerAwayError("Expected a ledger that answers, got none.")

    with pytest.raises(LedgerAwayError, match="got none"):
        until_it_answers(away, clock, told.append)

    assert slept == [2, 4, 8, 16, 32, 32, 32, 32, 32]
    assert len(told) == TRIES - 1
    assert told[0].endswith("got none. Trying again in 2 s.")


def test_what_does_not_pass_is_not_waited_for():
    """Another error of the ledger is told at once."""
    clock = WallClock(sleep=lambda _: pytest.fail("it slept"))

    def wrong():
        raise LedgerError("the clock went back")

    with pytest.raises(LedgerError, match="went back"):
        until_it_answers(wrong, clock, None)


def test_a_server_that_stops_before_and_during_a_run(
    desk, postgres, database, monkeypatch
):
    """It is started again while the job waits: every forecast once, all verified."""
    config = replace(desk.config, ledger=database)
    desk.bring(-4)
    daily(config, desk.clock(-4))
    prices_of, stops = job._prices, iter([True])

    def stop_once(*asked):
        if next(stops, False):
            postgres.stop()
        return prices_of(*asked)

    def back_after(waits):
        slept = []

        def sleep(seconds):
            slept.append(seconds)
            if len(slept) == waits:
                postgres.start()

        return sleep

    told = []
    postgres.stop()
    desk.bring(-3)
    clock = replace(desk.clock(-3), sleep=back_after(3))
    before = daily(config, clock, tell=told.append)
    monkeypatch.setattr(job, "_prices", stop_once)
    desk.bring(-2)
    clock = replace(desk.clock(-2), sleep=back_after(2))
    during = daily(config, clock, tell=told.append)

    assert [one.added for one in (*before.recorded, *during.recorded)] == [6, 6]
    assert len(told) == 3 + 2
    assert "Expected a ledger that answers" in told[0]
    with Ledger.open(database, create=False) as ledger:
        entries = [
            (p.entry.symbol, p.entry.model, p.entry.cutoff) for p in ledger.entries()
        ]
        assert len(entries) == len(set(entries)) == 18
        assert ledger.verify() == ()
