"""What the ledger promises: nothing twice, nothing late as live, nothing unscored."""

import datetime as dt
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from closecast.errors import LedgerError, SettingError
from closecast.evaluation.scores import crps, hits
from closecast.market.bars import from_columns
from closecast.serving.ledger import Ledger, Publication
from closecast.serving.ledger.chain import forecast_of
from closecast.serving.ledger.truth import one_step, pit_of
from closecast.windows.scaling import gather_targets, log_table, volatility
from closecast.windows.spec import WindowSpec


def changed(bars, symbol, first, factor):
    """Multiply the prices of a symbol from a date on."""
    rows = (bars.names(np.arange(len(bars))) == symbol) & (bars.dates >= first)
    values = bars.values.copy()
    values[rows, :4] *= factor
    return replace(bars, values=values)


def without(bars, symbol, date):
    """Take one bar out of a panel."""
    gone = (bars.names(np.arange(len(bars))) == symbol) & (bars.dates == date)
    return bars.select(~gone)


def test_the_same_forecast_is_recorded_once(ledger: Ledger, market):
    """A second time changes neither rows nor head."""
    publication = market.publication(market.until(-1))
    first = ledger.record(publication, market.evening(-1))
    again = ledger.record(publication, market.evening(-1))

    assert (first.added, first.known, first.late) == (6, 0, 0)
    assert (again.added, again.known, again.differing) == (0, 6, 0)
    assert again.head == first.head == ledger.head
    assert len(list(ledger.entries())) == 6


def test_what_was_published_first_stands(ledger: Ledger, market):
    """A retrained model cannot replace the forecast of the same evening."""
    bars = market.until(-1)
    ledger.record(market.publication(bars), market.evening(-1))
    before = ledger.latest("IBM")
    other = market.publication(bars, model="b")
    forecasts = other.forecasts | {
        "closecast": market.forecasts(bars, factor=2.0)["closecast"]
    }

    again = ledger.record(replace(other, forecasts=forecasts), market.evening(-1))

    assert (again.added, again.known, again.differing) == (0, 6, 2)
    assert ledger.latest("IBM").entry.hash == before.entry.hash


def test_many_writers_make_one_chain(ledger: Ledger, place, market):
    """Each reads the head under the lock: no row is lost, none is twice."""
    days = range(-8, 0)
    publications = [market.publication(market.until(day)) for day in days]

    def record(publication):
        with Ledger.open(place) as mine:
            return mine.record(publication, market.evening(-1)).added

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(record, [*publications, *publications]))

    assert sum(added) == 48
    assert len(list(ledger.entries())) == 48
    assert ledger.verify() == ()


def test_a_forecast_whose_answer_is_in_the_bars_is_late(ledger: Ledger, market):
    """Whatever the clock says."""
    publication = market.publication(market.until(-3), seen=market.bars)

    recorded = ledger.record(publication, market.evening(-3))

    assert recorded.late == recorded.added == 6
    assert all(past.entry.late for past in ledger.entries())


def test_a_forecast_after_the_next_close_is_late(ledger: Ledger, market):
    """Whatever the bars say: New York closes at 21:00 UTC in winter."""
    bars = market.until(-2)
    closing = market.evening(-1).replace(hour=21)

    before = closing - dt.timedelta(seconds=1)
    live = ledger.record(market.publication(bars), before)
    other = market.publication(market.until(-3))
    late = ledger.record(other, closing)

    assert (live.late, late.late) == (0, 6)


def test_late_forecasts_count_in_no_live_figure(ledger: Ledger, market):
    """They are scored, and told apart."""
    for day in range(-6, -1):
        publication = market.publication(market.until(day), seen=market.bars)
        ledger.record(publication, market.evening(-1))
    ledger.score(market.bars, market.evening(-1))

    assert ledger.scoreboard() == ()
    assert {row.windows for row in ledger.scoreboard(late=True) if row.step == 1} == {
        10
    }
    assert ledger.symbols()[0].late == 5
    assert all(monitor.dates == 0 for monitor in ledger.monitors())


def test_a_market_that_nobody_knows_has_no_live_forecast(market):
    """Without a closing time nobody can say what is late."""
    few = market.bars.select(market.bars.dates >= market.dates[-40])
    forecasts = market.forecasts(few)

    with pytest.raises(SettingError, match=r"closing time is known, got symbol IBM"):
        Publication.of(forecasts, few, model_hashes={})

    known = Publication.of(forecasts, few, model_hashes={}, calendar="XNYS")
    assert known.known_at[0] == np.datetime64("2013-03-04T21:00:00")


def test_a_clock_that_goes_back_is_refused(ledger: Ledger, market):
    """The record would no longer be in order; nothing is written."""
    ledger.record(market.publication(market.until(-2)), market.evening(-1))
    head = ledger.head

    with pytest.raises(LedgerError, match=r"clock that goes forward, got 2013-02-28"):
        ledger.record(market.publication(market.until(-3)), market.evening(-2))

    assert ledger.head == head


def test_a_cutoff_of_the_future_is_refused(ledger: Ledger, market):
    """A bar that cannot be there yet is no bar."""
    with pytest.raises(LedgerError, match=r"cutoffs that are over, got 2013-03-01 on"):
        ledger.record(market.publication(market.bars), market.evening(-5))


def test_a_forecast_that_is_not_finite_is_refused(market):
    """It could not be scored."""
    publication = market.publication(market.bars)
    forecast = publication.forecasts["closecast"]
    quantiles = forecast.quantiles.copy()
    quantiles[0, 0, 0] = np.nan
    broken = {"closecast": replace(forecast, quantiles=quantiles)}

    with pytest.raises(LedgerError, match=r"finite, ascending quantiles"):
        replace(publication, forecasts=broken)


def test_forecasts_of_different_windows_are_refused(market):
    """A baseline of another day would be no comparison."""
    here, there = market.forecasts(market.until(-1)), market.forecasts(market.until(-2))

    with pytest.raises(LedgerError, match=r"forecasts of the same windows"):
        Publication.of(here | {"zero": there["zero"]}, market.bars, model_hashes={})


def test_scores_are_those_of_the_judge(ledger: Ledger, market):
    """CRPS, intervals, truth and scale as evaluation makes them from whole windows."""
    market.run(ledger, range(-12, 0))
    whole = [p for p in ledger.entries(model="closecast") if len(p.scores) == 5]
    bars, spec = market.bars, WindowSpec()
    rows = np.array(
        [
            np.flatnonzero(
                (bars.names(np.arange(len(bars))) == p.entry.symbol)
                & (bars.dates == np.datetime64(p.entry.cutoff))
            )[0]
            for p in whole
        ]
    )
    truth = gather_targets(log_table(bars), rows, spec)
    forecast = forecast_of([p.entry for p in whole])

    def stored(name):
        return np.array([[getattr(score, name) for score in p.scores] for p in whole])

    assert len(whole) == 14
    assert np.allclose(stored("truth"), truth, rtol=1e-12)
    assert np.allclose(stored("crps"), crps(forecast, truth), rtol=1e-9)
    for name, level in (("in_50", 0.5), ("in_80", 0.8), ("in_95", 0.95)):
        assert np.array_equal(stored(name), hits(forecast, truth, level))
    assert np.allclose(stored("scale")[:, 0], volatility(bars)[rows])
    assert set(stored("factor").ravel()) == {1.0}


def test_the_pit_says_where_the_close_fell(market):
    """At a stored quantile it is that level; beyond them the middle of the tail."""
    forecast = market.forecasts(market.bars)["closecast"]
    steps = one_step(forecast, np.zeros(3, int), np.zeros(3, int))
    quantiles = steps.quantiles[0, 0]
    truth = np.array([[quantiles[9]], [quantiles[0] - 1], [quantiles[-1] + 1]])

    assert np.allclose(pit_of(steps, truth), [0.25, 0.0125, 0.9875])


def test_scoring_twice_scores_once(ledger: Ledger, market):
    """What is known waits for nothing and is not counted again."""
    market.run(ledger, range(-4, 0))

    again = ledger.score(market.bars, market.evening(-1))

    assert (again.scored, again.corrected, again.held_back) == (0, 0, 0)
    assert again.waiting == 3 * 2 * (5 + 4 + 3 + 2)


def test_a_split_changes_no_score(ledger: Ledger, market):
    """Prices halved over the whole past leave every return, and tell the factor."""
    market.run(ledger, range(-4, -1))
    halved = changed(market.bars, "IBM", market.dates[0], 0.5)

    matured = ledger.score(halved, market.evening(-1))

    assert matured.corrected == 0
    scores = ledger.history("IBM")[0].scores
    assert [score.step for score in scores] == [1]
    assert scores[0].factor == pytest.approx(0.5)
    assert scores[0].truth == pytest.approx(
        float(np.diff(np.log(market.bars.close[: market.bars.offsets[1]]))[-1])
    )


def test_a_split_that_is_not_adjusted_for_waits(ledger: Ledger, market):
    """Half the price overnight is no truth; the repaired series is."""
    market.run(ledger, range(-3, -1))
    torn = changed(market.bars, "IBM", market.dates[-1], 0.25)

    held = ledger.score(torn, market.evening(-1))
    mended = ledger.score(market.bars, market.evening(-1))

    assert (held.held_back, held.scored) == (6, 6)
    assert (mended.held_back, mended.scored) == (0, 6)


def test_a_corrected_close_is_scored_again(ledger: Ledger, market):
    """The new score counts, the old one is kept, the chain stays as it is."""
    market.run(ledger, range(-4, 0))
    head = ledger.head
    before = ledger.history("IBM")[1].scores[0]
    other = changed(market.bars, "IBM", market.dates[-1], 1.01)

    matured = ledger.score(other, market.evening(-1))

    after = ledger.history("IBM")[1].scores[0]
    assert matured.corrected == 9  # three models, three cutoffs
    assert after.truth - before.truth == pytest.approx(np.log(1.01))
    assert ledger.head == head
    assert ledger.verify() == ()
    with ledger.database.reading() as connection:
        kept = connection.execute(sa.text("SELECT count(*) FROM replaced_scores"))
        assert kept.scalar() == 9


def test_a_step_is_the_nth_session(ledger: Ledger, market):
    """A day without trade shifts the steps, as in evaluation."""
    bars = market.until(-4)
    ledger.record(market.publication(bars), market.evening(-4))
    closed = without(market.bars, "IBM", market.dates[-3])

    ledger.score(closed, market.evening(-1))

    dates = [np.datetime64(score.date) for score in ledger.latest("IBM").scores]
    assert dates == list(market.dates[-2:])
    assert len(ledger.latest("MSFT").scores) == 3


def test_a_cutoff_that_the_prices_lack_waits(ledger: Ledger, market):
    """A return needs both of its closes from one panel."""
    ledger.record(market.publication(market.until(-3)), market.evening(-3))

    matured = ledger.score(
        without(market.bars, "IBM", market.dates[-3]), market.evening(-1)
    )

    assert (matured.scored, matured.waiting) == (6, 24)
    assert ledger.latest("IBM").scores == ()


def test_symbols_that_the_prices_lack_are_left(ledger: Ledger, market):
    """A panel of other symbols scores nothing and breaks nothing."""
    market.run(ledger, range(-3, -2))
    bars = market.bars
    other = from_columns(
        np.full(len(bars), "X")[:120], bars.dates[:120], bars.values[:120]
    )

    assert ledger.score(other, market.evening(-1)).scored == 0


def test_history_is_newest_first(ledger: Ledger, market):
    """And may be read page by page."""
    market.run(ledger, range(-5, 0))

    newest = ledger.history("IBM", limit=2)
    older = ledger.history("IBM", before=newest[-1].entry.cutoff)

    cutoffs = [np.datetime64(p.entry.cutoff) for p in (*newest, *older)]
    assert cutoffs == list(market.dates[-5:][::-1])
    assert [len(p.scores) for p in (*newest, *older)] == [0, 1, 2, 3, 4]
    assert ledger.latest("NOBODY") is None
    assert ledger.history("IBM", "zero", limit=1)[0].entry.model == "zero"


def test_symbols_are_listed(ledger: Ledger, market):
    """With what is recorded of the judged model."""
    market.run(ledger, range(-3, 0))

    ibm, msft = ledger.symbols()

    assert (ibm.symbol, msft.symbol) == ("IBM", "MSFT")
    assert (ibm.forecasts, ibm.late) == (3, 0)
    assert (np.datetime64(ibm.first), np.datetime64(ibm.last)) == (
        market.dates[-3],
        market.dates[-1],
    )


def test_a_reader_begins_no_ledger(tmp_path):
    """A wrong path is told, not made."""
    with pytest.raises(LedgerError, match=r"got no such file"):
        Ledger.open(tmp_path / "none.sqlite", create=False)

    assert not (tmp_path / "none.sqlite").exists()


def test_a_file_that_is_no_ledger_is_told(tmp_path):
    """One sentence, no traceback of a driver."""
    (tmp_path / "notes.txt").write_text("these are no forecasts" * 100)

    with pytest.raises(LedgerError, match=r"got file is not a database"):
        Ledger.open(tmp_path / "notes.txt")


@pytest.mark.parametrize("url", ["mysql://u@h/d", "postgres//nothing://", "sqlite://"])
def test_another_database_is_refused(url):
    """Only what is tested is offered."""
    with pytest.raises(LedgerError, match=r"postgresql://USER@HOST/NAME, got"):
        Ledger.open(url)


def test_a_server_that_is_gone_is_told_without_the_password():
    """The sentence may be sent to others."""
    with pytest.raises(LedgerError, match=r"ledger that answers") as caught:
        Ledger.open("postgresql://someone:secret@127.0.0.1:1/nothing")

    assert "secret" not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_connection_that_the_server_dropped_is_made_again(database, market):
    """A server that was gone for a minute costs an error, no forecast."""
    with Ledger.open(database) as ledger:
        market.run(ledger, range(-2, -1))
        with ledger.database.engine.connect() as other:
            other.execution_options(isolation_level="AUTOCOMMIT").execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                    "datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        market.run(ledger, range(-1, 0))

        assert ledger.verify() == ()
        assert len(list(ledger.entries())) == 12


def test_without_sqlalchemy_the_extra_is_named():
    """The base install has no database library."""
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from closecast.errors import MissingExtraError\n"
        "try:\n    import closecast.serving.ledger\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "pip install 'closecast[ledger]'" in done.stdout
