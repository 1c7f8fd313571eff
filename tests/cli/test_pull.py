"""``closecast data pull`` writes what a vendor gave, and says what it did not."""

import datetime as dt
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from closecast.cli.app import app as whole_app
from closecast.errors import SettingError, VendorError
from closecast.market import pulling
from closecast.market.bars import from_columns
from closecast.market.readers import Hints, read_bars
from closecast.market.store import Store
from closecast.market.vendors import vendor as vendors
from closecast.market.vendors.vendor import SURVIVORS, History, Universe

NOW = dt.datetime(2024, 1, 5, 12, tzinfo=dt.UTC)


class Shop:
    """A vendor that knows every symbol but NOPE."""

    asked: list = []  # noqa: RUF012  one shop a test
    factor = 1.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.asked.append("closed")

    def fetch(self, symbol, start, end):
        """Give two bars."""
        self.asked.append((symbol, start, end))
        if symbol == "NOPE":
            raise VendorError("Expected bars, got none (shop, symbol NOPE). Check it.")
        dates = np.array(["2024-01-02", "2024-01-03"], "datetime64[D]")
        values = np.array([[2, 3, 1, 2, 10], [2, 3, 1, 2.5, 0]], float)
        return History(
            bars=from_columns(np.array([symbol] * 2), dates, values * self.factor),
            extras={"adj_close": np.array([1.0, 1.25])} if symbol != "BARE" else {},
            source="shop",
            adjusted="splits",
            fetched_at=NOW,
            notes=(f"{symbol}: the bar of 2024-01-04 is left out.",),
        )

    def universe(self, as_of):
        """List two symbols."""
        day = as_of or dt.date(2024, 1, 5)
        notes = () if as_of else (SURVIVORS,)
        return Universe(
            symbols=("A", "B"), as_of=day, point_in_time=bool(as_of), notes=notes
        )


@pytest.fixture
def shop(monkeypatch):
    shop = Shop()
    shop.asked = []
    monkeypatch.setattr(vendors, "open_vendor", lambda name: (name, shop)[1])
    return shop


def run(*arguments):
    return CliRunner().invoke(whole_app, ("data", *arguments))


class TestPull:
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_the_file_is_read_again_as_it_was(self, shop, tmp_path, kind):
        """Symbols with and without adjusted closes share a file of our own schema."""
        out = tmp_path / "new" / f"x.{kind}"
        result = run("pull", "AAPL", "005930", "--vendor", "shop", "--out", str(out))
        bars = read_bars(out).bars

        assert result.exit_code == 0
        assert bars.symbols == ("005930", "AAPL")
        assert bars.close.tolist() == [2, 2.5, 2, 2.5]
        adjusted = read_bars(out, hints=Hints(adjust=True)).bars
        assert adjusted.close.tolist() == [1, 1.25, 1, 1.25]
        assert "Bars: 4 of 2 symbols." in result.output
        assert "adjusted for splits" in result.output
        assert "Note: AAPL: the bar of 2024-01-04 is left out." in result.output
        assert [path.name for path in out.parent.iterdir()] == [out.name]
        assert shop.asked[-1] == "closed"

    def test_rows_say_where_they_come_from(self, shop, tmp_path):  # noqa: ARG002
        """The vendor and the moment stand in each row."""
        out = tmp_path / "x.csv"
        run("pull", "AAPL", "BARE", "--vendor", "shop", "--out", str(out))
        header, first, *_ = out.read_text().splitlines()

        assert header.replace('"', "").endswith("volume,adj_close,source,fetched_at")
        assert '"shop",2024-01-05 12:00:00' in first

    def test_what_fails_is_said_and_the_rest_is_kept(self, shop, tmp_path):  # noqa: ARG002
        """One missing symbol gives exit code 1 and costs no other."""
        out = tmp_path / "x.parquet"
        command = ("pull", "NOPE", "AAPL", "--vendor", "shop", "--out", str(out))
        result = run(*command, "--json")
        answer = json.loads(result.stdout)

        assert result.exit_code == 1
        assert "symbol NOPE" in result.stderr
        assert answer["failed"] == ["NOPE"]
        assert answer["symbols"] == ["AAPL"]
        assert answer["bars"] == 2
        assert out.exists()

    def test_nothing_is_written_of_nothing(self, shop, tmp_path):  # noqa: ARG002
        """A pull that got no bar leaves no file."""
        out = tmp_path / "x.parquet"

        assert run("pull", "NOPE", "--vendor", "s", "--out", str(out)).exit_code == 1
        assert not out.exists()

    def test_dates_are_passed_on(self, shop, tmp_path):
        """Start and end reach the vendor as days; a symbol twice is asked once."""
        days = ("--start", "2024-01-02", "--end", "2024-01-03")
        out = ("--out", str(tmp_path / "x.csv"))
        run("pull", "A", "A", "--vendor", "shop", *days, *out)

        assert shop.asked == [
            ("A", dt.date(2024, 1, 2), dt.date(2024, 1, 3)),
            "closed",
        ]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--start", "02/01/2024"), r"got '02/01/2024' \(--start\)"),
            (("--end", "2024-13-01"), r"got '2024-13-01' \(--end\)"),
            (("--out", "x.xlsx"), r"got 'x.xlsx' \(--out\)"),
        ],
    )
    def test_what_is_no_date_or_file_is_refused(self, shop, options, message):
        """Nothing is asked of the vendor before the options are right."""
        result = run("pull", "A", "--vendor", "shop", *options)

        with pytest.raises(SettingError, match=message):
            raise result.exception
        assert shop.asked == []


class TestStore:
    def test_without_a_file_bars_go_into_the_store(self, shop, tmp_path):
        """Raw bars, with their vendor and the moment; all of them are final."""
        result = run("pull", "A", "B", "--vendor", "shop", "--store", str(tmp_path))
        store = Store(tmp_path)
        origin = store.provenance("A")[dt.date(2024, 1, 3)]

        assert result.exit_code == 0
        assert store.read(["A", "B"]).close.tolist() == [2, 2.5, 2, 2.5]
        assert (origin.source, origin.fetched_at) == ("shop", NOW)
        assert origin.final_before == dt.date(2024, 1, 4)
        assert shop.asked[0] == ("A", None, None)

    def test_a_second_pull_reads_again_what_is_stored(self, shop, tmp_path):
        """It begins at stored sessions, adds nothing twice and finds no conflict."""
        command = ("pull", "A", "--vendor", "shop", "--store", str(tmp_path), "--json")
        run(*command)
        answer = json.loads(run(*command, "--start", "2024-01-03").stdout)

        assert shop.asked[-2] == ("A", dt.date(2024, 1, 2), None)
        assert (answer["added"], answer["failed"]) == (0, [])

    def test_a_contradiction_is_refused_and_said(self, shop, tmp_path):
        """Another vendor's other prices change nothing, and exit with 1."""
        command = ("pull", "A", "--vendor", "shop", "--store", str(tmp_path))
        run(*command)
        shop.factor = np.array([[1.0], [1.5]])
        result = run(*command)

        assert result.exit_code == 1
        assert "Note: Expected" in result.output
        assert Store(tmp_path).read(["A"]).close.tolist() == [2, 2.5]

    def test_many_symbols_are_written_in_batches(self, shop, tmp_path, monkeypatch):  # noqa: ARG002
        """What was fetched before a long pull ends is stored already."""
        monkeypatch.setattr(pulling, "BATCH", 2)
        names = [f"S{i}" for i in range(5)]
        run("pull", *names, "--vendor", "shop", "--store", str(tmp_path))

        assert len(Store(tmp_path).batches()) == 3
        assert [one.symbol for one in Store(tmp_path).symbols()] == names


class TestUniverse:
    def test_todays_list_comes_with_its_warning(self, shop):  # noqa: ARG002
        """Symbols on stdout, the warning on stderr."""
        result = run("universe", "--vendor", "shop")

        assert result.stdout == "A\nB\n"
        assert "survivorship bias" in result.stderr

    def test_json_names_the_day(self, shop):  # noqa: ARG002
        """A program learns whether the list is that of its day."""
        result = run("universe", "--vendor", "shop", "--on", "2015-01-02", "--json")
        answer = json.loads(result.stdout)

        assert answer["as_of"] == "2015-01-02"
        assert answer["point_in_time"] is True
        assert result.stderr == ""
