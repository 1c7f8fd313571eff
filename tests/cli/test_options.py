"""What several commands take, they all take."""

import pytest
import typer

from closecast.cli import app
from closecast.cli.options import HINTS, source_of


def commands(group, prefix=""):
    """Every command with the names of its arguments and options."""
    if not hasattr(group, "commands"):
        yield prefix, {parameter.name for parameter in group.params}
        return
    for name, one in group.commands.items():
        yield from commands(one, f"{prefix} {name}".strip())


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", [n for n, has in ALL.items() if "prices" in has])
def test_prices_come_with_what_a_file_cannot_say(name):
    """Wherever PRICES stands, the owner of an ambiguous file can decide."""
    assert ALL[name] >= set(HINTS)


def test_the_store_keeps_raw_bars():
    """Files are checked and imported with the same hints, but never adjusted."""
    assert ALL["data check"] >= set(HINTS)
    assert ALL["data import"] & set(HINTS) == set(HINTS) - {"adjust"}


@pytest.mark.parametrize(
    ("prices", "name"),
    [
        ("sample", "sample"),
        ("store:AAPL,MSFT", "store:AAPL,MSFT"),
        ("/home/me/aapl.csv", "aapl.csv"),
        ("prices/", "prices"),
    ],
)
def test_a_run_does_not_tell_where_its_prices_lie(prices, name):
    """The name of a file is kept, its folder is nobody's business."""
    assert source_of(prices) == name
