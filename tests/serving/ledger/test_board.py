"""The record so far is what evaluation says of the same windows."""

import numpy as np
import pytest

from closecast.evaluation.rows import score_rows
from closecast.serving.ledger import Ledger
from closecast.serving.ledger.chain import forecast_of
from closecast.windows.scaling import WindowData, volatility
from closecast.windows.spec import WindowSpec


def test_the_board_is_the_judges(sqlite: Ledger, market):
    """CRPS, coverage, skill, interval and p-value of step 5, of whole windows."""
    market.record(sqlite, range(-50, 0))
    models = ("closecast", "ewma_t", "zero")
    whole = {
        model: [p.entry for p in sqlite.entries(model=model) if len(p.scores) == 5]
        for model in models
    }
    forecasts = {model: forecast_of(entries) for model, entries in whole.items()}
    first = forecasts["closecast"]
    bars = market.bars
    rows = np.array(
        [
            bars.offsets[bars.symbols.index(symbol)]
            + np.searchsorted(market.dates, cutoff)
            for symbol, cutoff in zip(first.symbols, first.cutoffs, strict=True)
        ]
    )
    truth = WindowData.of(bars, WindowSpec()).target(rows)

    judged = {
        row.model: row
        for row in score_rows(forecasts, truth, volatility(bars)[rows])
        if row.horizon == 5
    }
    board = {row.model: row for row in sqlite.scoreboard() if row.step == 5}

    assert list(board) == list(models)
    for model, row in board.items():
        for name in ("crps", "crps_raw", "coverage_50", "coverage_80", "coverage_95"):
            assert getattr(row, name) == pytest.approx(getattr(judged[model], name))
        for other in set(models) - {model, "closecast"}:
            assert row.skill_crps_vs[other] == pytest.approx(
                judged[model].skill_crps_vs[other]
            )
            assert row.skill_crps_interval_vs[other] == pytest.approx(
                judged[model].skill_crps_interval_vs[other]
            )
            assert row.dm_p_vs[other] == pytest.approx(judged[model].dm_p_vs[other])
    assert (board["zero"].windows, board["zero"].dates) == (90, 45)


def test_the_board_of_one_symbol(sqlite: Ledger, market):
    """Only its forecasts count."""
    market.record(sqlite, range(-6, 0))

    assert {row.windows for row in sqlite.scoreboard(symbol="IBM")} == {5, 4, 3, 2, 1}
    assert sqlite.scoreboard(symbol="NOBODY") == ()


def test_only_what_all_models_forecast_is_compared(sqlite: Ledger, market):
    """A baseline that was not recorded on a day takes that day out."""
    from dataclasses import replace

    market.record(sqlite, range(-4, -2))
    day = market.publication(market.until(-2))
    alone = {"closecast": day.forecasts["closecast"]}
    sqlite.record(replace(day, forecasts=alone), market.evening(-2))
    sqlite.score(market.bars, market.evening(-1))

    first = [row for row in sqlite.scoreboard() if row.step == 1]

    assert [row.windows for row in first] == [4, 4, 4]
