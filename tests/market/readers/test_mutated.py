"""A few hundred damaged files: none crashes, none changes a price in silence."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "mutated_files.py"

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason="the script lies in the repository alone"
)


def load():
    spec = importlib.util.spec_from_file_location("mutated_files", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_damage_is_silent():
    """Every damaged file is refused, sound, named, or says itself what is read."""
    counts = load().run(210, seed=11)
    ends = {ended for count in counts.values() for ended in count}

    assert ends <= {"refused", "same", "named", "written"}
    assert sum(map(sum, (count.values() for count in counts.values()))) == 210
    assert counts["double_rows"] == {"refused": 30}


def test_a_shifted_price_would_be_seen(monkeypatch, tmp_path):
    """A reader that multiplied prices by ten would be caught by the second parser."""
    script = load()
    template = script.TEMPLATES["plain"]
    path = tmp_path / "A.csv"
    rows = "".join(
        template.row(row) + "\n" for row in script.rows_of(script.random.Random(1))
    )
    path.write_text(template.header + rows)
    sound = script.read_bars(path)
    tenfold = script.Bars(
        symbols=sound.bars.symbols,
        offsets=sound.bars.offsets,
        dates=sound.bars.dates,
        values=sound.bars.values * 10,
    )
    monkeypatch.setattr(
        script, "read_bars", lambda _: type(sound)(bars=tenfold, done=())
    )

    assert script.outcome(path, sound.bars, template) == "silent"
