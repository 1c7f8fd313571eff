"""A panel of files holds what a panel in memory holds."""

import numpy as np
import pytest

from closecast.errors import BarsError, WindowError
from closecast.testing import random_walk
from closecast.windows.on_disk import DiskPanel, is_panel, symbol_digests, write_panel
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec
from closecast.windows.split import split_by_date

SPEC = WindowSpec(context_length=7, horizon=3)
WALKS = random_walk(4, 200)


def one_by_one(bars):
    for symbol, start, end in bars:
        rows = np.arange(len(bars))
        yield bars.select((rows >= start) & (rows < end))
        assert symbol


@pytest.fixture
def panel(tmp_path):
    """Give four walks on disk, written one by one."""
    return write_panel(tmp_path / "panel", one_by_one(WALKS))


def test_the_tables_are_those_in_memory(panel):
    """Every number is the same, and no table is in memory."""
    mapped, held = panel.data(SPEC), WindowData.of(WALKS, SPEC)

    assert isinstance(mapped.logs, np.memmap)
    assert isinstance(mapped.scale, np.memmap)
    assert np.array_equal(mapped.logs, held.logs)
    assert np.array_equal(mapped.scale, held.scale)
    assert mapped.state.shape == held.state.shape
    assert np.array_equal(panel.dates, WALKS.dates)


@pytest.mark.parametrize("dates", [(None, None), ("2010-05-03", "2010-07-01")])
def test_the_split_is_that_in_memory(panel, dates):
    """Blocks, dates and order are those of `split_by_date`, and lie in files."""
    mapped, held = panel.split(SPEC, *dates), split_by_date(WALKS, SPEC, *dates)

    assert mapped.validation_start == held.validation_start
    assert mapped.test_start == held.test_start
    for name in ("train", "validation", "test"):
        assert isinstance(getattr(mapped, name), np.memmap)
        assert np.array_equal(getattr(mapped, name), getattr(held, name))


@pytest.mark.parametrize("count", [28, 29, 30, 31, 199])
def test_the_split_of_a_single_symbol_is_that_in_memory(tmp_path, count):
    """Its first date counts, in a folder of folders that were not there."""
    bars = WALKS.select((WALKS.symbol_ids == 0) & (np.arange(len(WALKS)) < count))
    spec = WindowSpec(context_length=2, horizon=1)
    mapped = write_panel(tmp_path / "a" / "b" / "panel", [bars]).split(spec)
    held = split_by_date(bars, spec)

    assert mapped.validation_start == held.validation_start
    assert mapped.test_start == held.test_start


def test_a_second_split_leaves_the_first_alone(panel):
    """Files of a split that is in use are replaced, not overwritten."""
    first = panel.split(SPEC)
    before = first.train.copy()
    panel.split(SPEC, "2010-03-01", "2010-04-01")

    assert np.array_equal(first.train, before)


def test_symbols_shorter_than_a_window_have_none(tmp_path):
    """A short symbol is kept, and no window reaches over it."""
    short = WALKS.select(
        np.arange(len(WALKS)) % 200 < np.array([200, 5, 200, 5])[WALKS.symbol_ids]
    )
    mapped = write_panel(tmp_path, [short]).split(SPEC)

    assert np.array_equal(mapped.train, split_by_date(short, SPEC).train)


def test_a_block_without_windows_is_refused(panel):
    """The message is that of a split in memory."""
    with pytest.raises(WindowError, match="none in test"):
        panel.split(SPEC, None, "2030-01-01")


def test_bars_come_back_as_they_were_written(panel):
    """Prices and dates of some symbols are read to the bit."""
    some = panel.bars(["W03", "W01"])

    assert some.symbols == ("W01", "W03")
    assert (
        some.fingerprint == WALKS.select(np.isin(WALKS.symbol_ids, [1, 3])).fingerprint
    )


def test_the_fingerprint_does_not_know_the_parts(panel, tmp_path):
    """Written as a whole, the panel is the same; other prices are another panel."""
    whole = write_panel(tmp_path / "whole", [WALKS])
    other = write_panel(tmp_path / "other", [random_walk(4, 200, seed=1)])

    assert whole.fingerprint == panel.fingerprint
    assert other.fingerprint != panel.fingerprint


def test_an_unknown_symbol_is_named(panel):
    """Nobody gets a smaller panel than asked."""
    with pytest.raises(BarsError, match="symbol of the panel, got 'AAPL'"):
        panel.bars(["W01", "AAPL"])


def test_a_symbol_comes_once(tmp_path):
    """A symbol in two parts would be two series under one name."""
    with pytest.raises(BarsError, match="each symbol once, got W00 again"):
        write_panel(tmp_path, [WALKS, random_walk(1, 50)])
    with pytest.raises(BarsError, match="none that can be read"):
        DiskPanel.open(tmp_path)


def test_nothing_is_no_panel(tmp_path):
    """A panel without a symbol is refused."""
    with pytest.raises(BarsError, match="at least one symbol, got none"):
        write_panel(tmp_path, [])


def test_a_file_that_was_cut_off_is_refused(panel):
    """Mapping a short file would end the process; it is measured first."""
    path = panel.folder / "logs.f64"
    path.write_bytes(path.read_bytes()[:-8])

    with pytest.raises(BarsError, match="a whole panel of format 2"):
        DiskPanel.open(panel.folder)


def test_a_document_of_another_kind_is_refused(panel):
    """A panel that cannot be read is an error with the folder."""
    (panel.folder / "panel.json").write_text("[]")

    with pytest.raises(BarsError, match=r"none that can be read .*panel"):
        DiskPanel.open(panel.folder)


@pytest.mark.parametrize("name", ["values.f64", "logs.f64", "scale.f64", "dates.i64"])
def test_a_flipped_bit_of_a_table_is_refused(panel, name):
    """A training reads each file once before it believes it."""
    path = panel.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(BarsError, match=rf"bytes that were written.*{name}"):
        DiskPanel.open(panel.folder).require_intact()


def test_every_flipped_bit_of_the_document_is_refused(panel):
    """Names, offsets and fingerprint are sealed."""
    path = panel.folder / "panel.json"
    whole = path.read_bytes()

    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(BarsError, match="not as it was written"):
            DiskPanel.open(panel.folder)


def test_bars_that_were_read_elsewhere_are_held_against_the_panel(panel):
    """Digests of every symbol make the fingerprint; another one is refused."""
    digests = symbol_digests(WALKS)
    panel.require_digests(digests)

    digests[WALKS.symbols[2]] = digests[WALKS.symbols[1]]
    with pytest.raises(BarsError, match="the bars that were written, got others"):
        panel.require_digests(digests)


def test_a_folder_is_a_panel_once_its_document_lies_there(panel, tmp_path):
    """It is written last."""
    assert is_panel(panel.folder)
    assert not is_panel(tmp_path)
