"""A run of the job: once a day, in order, and nothing lost whatever happens."""

import datetime as dt
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import (
    ClosecastError,
    IntegrityError,
    LedgerError,
    ModelError,
    SettingError,
    StoreBusyError,
)
from closecast.evaluation.conformal import Promise
from closecast.experiments.forecaster import Forecaster
from closecast.market.store.lock import writing
from closecast.serving.daily import job
from closecast.serving.daily.job import daily, rehearse
from closecast.serving.ledger import Ledger
from closecast.serving.ledger.adaptation import newest_promise
from closecast.serving.ledger.chain import forecast_of
from closecast.serving.ledger.receipts import read_receipts
from closecast.serving.shelf import Shelf


def opened(desk):
    """Open the ledger of a job."""
    return Ledger.open(desk.config.ledger, create=False)


def test_a_day_is_recorded_with_its_baselines(desk):
    """The model, EWMA-t and the last close, live."""
    done = desk.run(-3)

    assert [one.added for one in done.recorded] == [6]
    assert done.recorded[0].late == 0
    assert done.cutoffs == (desk.dates[-3].item(),)
    with opened(desk) as ledger:
        models = [past.entry.model for past in ledger.entries()]
        assert models == ["closecast", "ewma_t", "zero"] * 2


def test_the_forecast_is_the_models(desk, model):
    """What is recorded first is what closecast forecast says of the same prices."""
    desk.run(-3)
    known = desk.prices.select(desk.prices.dates <= desk.dates[-3])

    expected = Forecaster.load(model).forecast(known)

    with opened(desk) as ledger:
        entries = [past.entry for past in ledger.entries(model="closecast")]
    recorded = forecast_of(entries)
    assert recorded.symbols.tolist() == expected.symbols.tolist()
    assert np.allclose(recorded.quantiles, expected.quantiles, atol=1e-6)
    assert np.array_equal(recorded.target_dates, expected.target_dates)


def test_twice_is_once(desk):
    """The second run changes neither the ledger nor the page, and tells nobody."""
    first = desk.run(-3)
    page = (desk.config.home / "daily.html").read_bytes()
    again = desk.run(-3)

    assert again.recorded == ()
    assert again.summary["head"] == first.summary["head"]
    assert (desk.config.home / "daily.html").read_bytes() == page
    with opened(desk) as ledger:
        assert len(list(ledger.entries())) == 6
        assert ledger.verify() == ()


def test_what_came_true_is_scored(desk):
    """A session later the first step of each forecast has its score."""
    desk.run(-3)

    done = desk.run(-2)

    assert (done.matured.scored, done.matured.waiting) == (6, 24 + 30)
    assert done.summary["matured"]["steps"] == 2
    assert {row["step"] for row in done.summary["record"]} == {1}


def test_missed_days_are_caught_up_in_order_and_late(desk):
    """Only the newest cutoff could not know its answer."""
    desk.run(-6)

    done = desk.run(-2)

    assert done.cutoffs == tuple(date.item() for date in desk.dates[-5:-1])
    assert [one.late for one in done.recorded] == [6, 6, 6, 0]
    assert done.summary["late"] == 6  # of the model itself
    with opened(desk) as ledger:
        cutoffs = [past.entry.cutoff for past in ledger.entries(model="zero")]
        assert cutoffs == sorted(cutoffs)
        assert ledger.verify() == ()
        assert {row.windows for row in ledger.scoreboard() if row.step == 1} == {2}


def test_a_caught_up_forecast_knows_its_own_past_alone(desk, changed):
    """Other prices after a missed day leave its forecast as it is."""
    desk.run(-6)
    desk.run(-2)
    with opened(desk) as ledger:
        straight = ledger.history("IBM", limit=2)[1].entry

    other = replace(
        desk.config, home=desk.config.home / "b", ledger=str(desk.file) + "b"
    )
    desk.bring(-6)
    daily(other, desk.clock(-6))
    desk.bring(-2, changed(desk.prices, "IBM", desk.dates[-2], 1.02))
    daily(other, desk.clock(-2))

    with Ledger.open(other.ledger, create=False) as ledger:
        assert ledger.history("IBM", limit=2)[1].entry.data_hash == straight.data_hash
        again = ledger.history("IBM", limit=2)[1].entry
    assert np.array_equal(again.quantiles, straight.quantiles)


def test_a_new_symbol_begins_with_its_newest_session(desk):
    """What it would have said before is no record."""
    names = desk.prices.names(np.arange(len(desk.prices)))
    desk.bring(-4, desk.prices.select(names == "IBM"))
    daily(desk.config, desk.clock(-4))

    desk.run(-2)

    with opened(desk) as ledger:
        counts = {one.symbol: one.forecasts for one in ledger.symbols()}
    assert counts == {"IBM": 3, "MSFT": 1}


def test_a_session_that_goes_on_is_left_out(desk):
    """At noon in New York the bar of the day is no close."""
    desk.bring(-2)
    noon = desk.clock(-2, hours=-5)

    done = daily(desk.config, noon)

    assert done.cutoffs == (desk.dates[-3].item(),)
    assert done.recorded[0].late == 0
    assert "is not over and is left out" in done.notes[0]


def test_a_clock_that_went_back_is_refused(desk):
    """Nothing is recorded behind what is recorded."""
    desk.run(-3)
    desk.bring(-2)

    with pytest.raises(LedgerError, match=r"clock that goes forward"):
        daily(desk.config, desk.clock(-2, days=-5, hours=0))


def test_a_second_run_is_told_who_holds_the_lock(desk):
    """By process, and since when."""
    desk.bring(-2)
    desk.config.home.mkdir()
    with (
        writing(desk.config.home, 0),
        pytest.raises(StoreBusyError, match=r"another one: process \d+"),
    ):
        daily(desk.config, desk.clock(-2))


def test_a_ledger_that_was_changed_is_not_written_to(desk):
    """It stops, and says what is wrong."""
    desk.run(-3)
    with closing(sqlite3.connect(desk.config.ledger)) as connection, connection:
        connection.execute("DROP TRIGGER append_only_update")
        connection.execute("UPDATE forecasts SET last_close = 1 WHERE number = 6")

    with pytest.raises(IntegrityError, match=r"Nothing was recorded") as caught:
        desk.run(-2)

    assert "names row 6" in str(caught.value) or "Row 6" in str(caught.value)


def test_a_change_since_the_last_receipt_is_seen_too(desk):
    """Every run follows the newest part of the chain."""
    for day in (-5, -4, -3):
        desk.run(day)
    with closing(sqlite3.connect(desk.config.ledger)) as connection, connection:
        connection.execute("DROP TRIGGER append_only_update")
        connection.execute("UPDATE forecasts SET late = 1 WHERE number = 9")

    with pytest.raises(IntegrityError, match=r"Row 9 was changed"):
        desk.run(-2)


STEPS = [
    ("due", False), ("_adapt", False), ("_adapt", True), ("_record", True),
    ("summary_of", False), ("write_notices", False), ("write_notices", True),
    ("_sent", False),
]  # fmt: skip


@pytest.mark.parametrize(("step", "after"), STEPS)
def test_a_run_that_breaks_off_loses_nothing(desk, monkeypatch, step, after):
    """Wherever it ends, the next one goes on: each forecast once, each score once."""
    desk.run(-4)
    whole = getattr(job, step)

    def breaks(*arguments, **named):
        if after:
            whole(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(job, step, breaks)
    with pytest.raises(KeyboardInterrupt):
        desk.run(-2)
    monkeypatch.setattr(job, step, whole)

    done = desk.run(-2)

    with opened(desk) as ledger:
        assert ledger.verify() == ()
        assert len(list(ledger.entries())) == 18
        assert sum(len(past.scores) for past in ledger.entries()) == 6 * 2 + 6 * 1
        assert [r.number for r in read_receipts(ledger.receipts)][-1] == 18
    assert done.summary["number"] == 18


def test_a_receipt_that_a_crash_swallowed_is_written_by_the_next_run(desk):
    """The row was recorded, the process died."""
    desk.run(-3)
    receipts = desk.config.home / "ledger.sqlite.receipts"
    receipts.unlink()

    desk.run(-3)

    assert [receipt.number for receipt in read_receipts(receipts)] == [6]


def test_intervals_adapt_to_what_was_recorded(desk):
    """Windows count once, when their last close has come, and move the promise."""
    for day in range(-9, 0):
        done = desk.run(day)
    with opened(desk) as ledger, ledger.database.reading() as connection:
        hashes = {past.entry.model_hash for past in ledger.entries(model="closecast")}
        promise = newest_promise(connection, hashes.pop())

    assert done.adapted == 2
    assert not np.allclose(promise.coverage, Promise.nominal(5).coverage)
    assert desk.run(-1).adapted == 0


def test_the_promise_is_the_recursion_over_what_was_published(desk, model):
    """First what the bars say, then a step for each date of last closes."""
    from closecast.evaluation.conformal import MEDIAN, NOMINAL, STEP_SIZE

    for day in range(-9, 0):
        desk.run(day)
    first_bars = desk.prices.select(desk.prices.dates <= desk.dates[-9])
    coverage = Forecaster.load(model).fitted.stepwise.promise(first_bars).coverage
    with opened(desk) as ledger:
        past = [p for p in ledger.entries(model="closecast") if len(p.scores) == 5]
        for date in sorted({p.scores[-1].date for p in past}):
            misses = [
                [
                    (score.truth < q[:MEDIAN]) | (score.truth > q[:MEDIAN:-1])
                    for score, q in zip(p.scores, p.entry.quantiles, strict=True)
                ]
                for p in past
                if p.scores[-1].date == date
            ]
            coverage = coverage + STEP_SIZE * (np.mean(misses, axis=0) - (1 - NOMINAL))
        with ledger.database.reading() as connection:
            found = newest_promise(connection, past[0].entry.model_hash)

    assert np.allclose(found.coverage, coverage, atol=1e-12)


def test_a_split_overnight_is_scored_as_none(desk, changed):
    """The whole past halved: the return is the same, the ledger says the factor."""
    desk.run(-3)
    desk.bring(-2, changed(desk.prices, "IBM", desk.dates[0], 0.5))

    daily(desk.config, desk.clock(-2))

    with opened(desk) as ledger:
        score = ledger.history("IBM", limit=2)[1].scores[0]
    assert score.factor == pytest.approx(0.5)
    assert abs(score.truth) < 0.1


def test_a_rehearsal_writes_nothing(desk):
    """It says what would be recorded."""
    desk.bring(-2)

    done = rehearse(desk.config, desk.clock(-2))

    assert done.dry
    assert [one["symbol"] for one in done.summary["forecasts"]] == ["IBM", "MSFT"]
    assert not desk.config.home.exists()


def test_a_rehearsal_knows_what_is_recorded(desk):
    """After a run there is nothing left to do, and nothing is done."""
    desk.run(-2)
    before = sorted(path.name for path in desk.config.home.iterdir())

    assert rehearse(desk.config, desk.clock(-2)).cutoffs == ()
    assert sorted(path.name for path in desk.config.home.iterdir()) == before


def test_news_are_written_into_a_file(desk, tmp_path):
    """For a desktop, or whoever watches files."""
    notice = tmp_path / "desk" / "news.txt"

    desk.run(-3, notice=str(notice))

    text = notice.read_text()
    assert text.startswith("closecast: fine\n")
    assert "2 symbols were forecast" in text
    assert "The ledger ends at row 6" in text


def test_the_same_in_korean(desk):
    """Page and notice speak the language of the settings."""
    desk.run(-3, language="ko")

    page = (desk.config.home / "daily.html").read_text()
    assert '<html lang="ko">' in page
    assert "실현되기 전에 기록한 예측" in page


def test_an_unknown_language_is_told_before_the_work(desk):
    """And nothing is recorded."""
    with pytest.raises(SettingError, match=r"among en, ko, got 'fr'"):
        desk.run(-3, language="fr")

    assert not desk.config.home.exists()


def test_a_model_that_is_missing_is_told(desk, tmp_path):
    """One sentence, before anything is made."""
    with pytest.raises(ClosecastError, match=r"Expected a model's file"):
        desk.run(-3, model=tmp_path / "none")


def test_what_is_told_can_be_written_as_json(desk):
    """Summaries are plain values, with the figures of the record."""
    desk.run(-3)

    summary = desk.run(-2).summary

    assert json.loads(json.dumps(summary)) == summary
    assert (
        summary["forecasts"][0]["steps"][0]["low_80"]
        < summary["forecasts"][0]["last_close"]
    )
    assert dt.date.fromisoformat(summary["forecasts"][0]["cutoff"])


def test_a_promotion_takes_effect_at_the_next_run(desk, model, prices, tmp_path):
    """Each forecast says by its model's hash which version made it."""
    small = {"hidden_size": 3, "num_layers": 1, "epochs": 1, "batch_norm": False}
    Forecaster(**small).fit(prices).save(tmp_path / "other")
    shelf = Shelf(tmp_path / "shelf")
    for source in (model, tmp_path / "other"):
        shelf.add(source, reason="a candidate")
    job_of_shelf = {"model": None, "shelf": shelf.path}

    shelf.promote(1, reason="the first")
    first = desk.run(-4, **job_of_shelf)
    shelf.promote(2, reason="a smaller one")
    second = desk.run(-3, **job_of_shelf)
    shelf.rollback(reason="it was no better")
    third = desk.run(-2, **job_of_shelf)

    assert [done.version for done in (first, second, third)] == [1, 2, 1]
    with opened(desk) as ledger:
        hashes = [
            past.entry.model_hash
            for past in ledger.entries(model="closecast")
            if past.entry.symbol == "IBM"
        ]
        assert ledger.verify() == ()
    stated = [shelf.version(number).model_hash for number in (1, 2, 1)]
    assert hashes == stated == [done.model_hash for done in (first, second, third)]


def test_a_shelf_on_which_nothing_serves_is_told(desk, tmp_path):
    """With the command that lets a version serve."""
    with pytest.raises(ModelError, match=r"got none .*closecast shelf promote"):
        desk.run(-3, model=None, shelf=tmp_path / "empty")
