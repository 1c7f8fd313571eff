"""A panel forecast and scored by shards is the panel forecast and scored at once."""

from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import (
    BarsError,
    ClosecastWarning,
    SettingError,
    WindowError,
)
from closecast.experiments import shards
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.shards import forecast_panel, require_alone, score_panel
from closecast.market.bars import from_columns
from closecast.models.baselines import fit_baselines
from closecast.testing import random_walk
from closecast.training.settings import Settings
from closecast.windows import split_by_date
from closecast.windows.on_disk import write_panel

WALKS = random_walk(5, 320)
SMALL = {"hidden_size": 6, "epochs": 1, "batch_size": 32}


@pytest.fixture(scope="module")
def forecaster():
    """A small model of five walks."""
    return Forecaster(**SMALL).fit(WALKS)


@pytest.fixture
def two_a_shard(monkeypatch):
    """Shards of two symbols."""
    monkeypatch.setattr(shards, "SYMBOLS", 2)


def some(bars, *names):
    """Keep some symbols."""
    return bars.select(np.isin(np.asarray(bars.symbols)[bars.symbol_ids], names))


@pytest.fixture
def panel(tmp_path):
    """The walks on disk, in another order than that of their names."""
    parts = [some(WALKS, "W03", "W04"), some(WALKS, "W00", "W01", "W02")]
    return write_panel(tmp_path / "panel", parts)


@pytest.mark.usefixtures("two_a_shard")
def test_every_symbol_is_forecast_as_in_memory(forecaster, panel):
    """To the bit, in the order of their names; progress is told."""
    told = []
    ours = forecast_panel(
        forecaster, panel, on_shard=lambda *progress: told.append(progress)
    )
    theirs = forecaster.forecast(WALKS)

    for name, column in theirs.to_columns().items():
        assert np.array_equal(ours.to_columns()[name], column), name
    assert np.array_equal(ours.quantiles, theirs.quantiles)
    assert told == [(1, 3), (2, 3), (3, 3)]


def with_young(bars, num_bars):
    """Add two symbols that began with the last bars of the others."""
    last = np.zeros(len(bars), bool)
    for _, _, end in some(bars, "W00", "W01"):
        last[end - num_bars : end] = True
    young = some(bars, "W00", "W01").select(last[: 2 * 320])
    return [bars, replace(young, symbols=("Y00", "Y01"))]


@pytest.mark.usefixtures("two_a_shard")
def test_short_symbols_are_left_out_and_told(forecaster, tmp_path):
    """Also where a whole shard is too short."""
    four = some(WALKS, "W00", "W01", "W02", "W03")
    panel = write_panel(tmp_path / "p", with_young(four, 9))

    with pytest.warns(ClosecastWarning, match=r"2 of 6 symbols left out .*Y00, Y01"):
        ours = forecast_panel(forecaster, panel)

    assert ours.symbols.tolist() == ["W00", "W01", "W02", "W03"]


def test_a_panel_of_short_symbols_is_refused(forecaster, tmp_path):
    """There is nothing to forecast, and the sentence says how much is missing."""
    panel = write_panel(tmp_path / "p", [random_walk(2, 9)])
    with pytest.raises(WindowError, match="at least 10 bars of a symbol for a context"):
        forecast_panel(forecaster, panel)


@pytest.mark.usefixtures("two_a_shard")
def test_a_suspected_defect_is_told_once(forecaster, tmp_path):
    """A close a hundred times too high among the last bars, in one shard of three."""
    values = WALKS.values.copy()
    values[WALKS.offsets[4] - 4, :4] *= 100
    broken = from_columns(
        np.asarray(WALKS.symbols)[WALKS.symbol_ids], WALKS.dates, values
    )
    panel = write_panel(tmp_path / "p", [broken])

    with pytest.warns(ClosecastWarning, match="1 of 5 forecasts read a suspected"):
        forecast_panel(forecaster, panel)


@pytest.mark.usefixtures("two_a_shard")
@pytest.mark.parametrize("name", ["values.f64", "dates.i64"])
def test_bytes_that_changed_are_refused(forecaster, panel, name):
    """A bit of the least weight in one of the files that are read."""
    path = panel.folder / name
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)

    with pytest.raises(BarsError, match="Expected the bars that were written, got oth"):
        forecast_panel(forecaster, panel)


def test_a_node_without_the_panel_is_told_what_to_do(forecaster, panel, tmp_path):
    """The path is named."""
    elsewhere = replace(panel, folder=tmp_path / "elsewhere")
    with pytest.raises(BarsError, match="on storage that all nodes mount"):
        forecast_panel(forecaster, elsewhere)


@pytest.mark.parametrize(
    "settings",
    [
        {"states": "week,market"},
        {"states": "all"},
        {"calibrate": "conformal"},
        {"past_columns": "rates"},
        {"known_columns": "holiday"},
        {"static_columns": "sector"},
    ],
)
def test_what_needs_all_symbols_or_more_than_bars_is_refused(settings):
    """The setting is named."""
    (name,) = settings
    with pytest.raises(SettingError, match=f"one symbol at a time .* got {name} "):
        require_alone(Settings.of(settings))


def test_states_of_a_symbol_alone_are_welcome():
    """They do not look at other symbols."""
    require_alone(Settings.of({"states": "week,volatility"}))


def test_one_shard_is_scored_as_in_memory(forecaster, panel):
    """The same rows to the bit, but for directions, and the same verdict."""
    settings, spec = forecaster.settings, forecaster.spec
    split = split_by_date(WALKS, spec, settings.validation_start, settings.test_start)
    board = forecaster.evaluate(WALKS, fit_baselines(WALKS, split.train, spec))

    scored = score_panel(forecaster, panel)

    assert scored.rows == tuple(
        replace(row, direction_excess=None) for row in board.scoreboard.rows
    )
    assert scored.verdict == board.verdict


@pytest.mark.usefixtures("two_a_shard")
def test_shards_fit_baselines_of_their_own(forecaster, panel):
    """What fits nothing scores as in memory; every window is scored once."""
    board = forecaster.evaluate(WALKS).scoreboard
    scored = score_panel(forecaster, panel)

    assert scored.num_windows == board.num_windows
    crps = {(row.model, row.horizon): row.crps for row in board.rows}
    ours = {(row.model, row.horizon): row.crps for row in scored.rows}
    for step in range(1, 6):
        for name in ("closecast", "zero"):
            assert ours[name, step] == pytest.approx(crps[name, step], rel=1e-12)
        assert ours["ewma_t", step] != crps["ewma_t", step]


@pytest.mark.usefixtures("two_a_shard")
def test_a_shard_of_young_symbols_is_told(forecaster, tmp_path):
    """It has no training block to fit baselines to; the others are scored."""
    four = some(WALKS, "W00", "W01", "W02", "W03")
    panel = write_panel(tmp_path / "p", with_young(four, 40))

    with pytest.warns(ClosecastWarning, match="1 of 3 shards are not scored"):
        scored = score_panel(forecaster, panel)

    assert scored.num_windows > 0


def test_a_panel_without_a_test_block_is_refused(forecaster, tmp_path):
    """Why is said in the words of a split."""
    panel = write_panel(tmp_path / "p", [random_walk(2, 120)])
    with pytest.raises(WindowError, match="none in"):
        score_panel(forecaster, panel)
