"""``closecast data check`` shows findings and speaks in exit codes."""

import json

import pytest
from typer.testing import CliRunner

from closecast.cli.data import _print_table, app
from closecast.errors import SettingError
from closecast.market.doctor import check

GOOD = "date,open,high,low,close,volume\n2024-01-02,1,1,1,1,1\n"


@pytest.fixture
def files(tmp_path):
    texts = {
        "good": GOOD,
        "odd": GOOD + "2024-01-03,9,9,9,9,1\n",
        "still": GOOD + "2024-01-03,1,1,1,1,0\n",
        "bad": GOOD + "2024-01-03,1,1,1,[x],1\n",
    }
    paths = {name: tmp_path / f"{name}.csv" for name in texts}
    for name, path in paths.items():
        path.write_text(texts[name])
    return {name: str(path) for name, path in paths.items()}


def run(*arguments):
    return CliRunner().invoke(app, ["check", *arguments])


class TestCheck:
    def test_a_sound_file_exits_with_0(self, files):
        """Nothing found is said in one line."""
        result = run(files["good"])

        assert result.exit_code == 0
        assert result.output == "Checked: 1 file. Errors: 0. Warnings: 0.\n"

    def test_a_warning_exits_with_0(self, files):
        """An oddity is shown and does not fail."""
        result = run(files["odd"], files["good"])

        assert result.exit_code == 0
        assert "warning: Expected a log return" in result.output

    def test_an_error_exits_with_1(self, files):
        """A broken row is one plain line with its place."""
        result = run(files["bad"], files["good"])

        assert result.exit_code == 1
        assert f"got '[x]' in close ({files['bad']}, row 3, symbol bad" in result.output

    def test_a_missing_file_exits_with_1(self):
        """A path that leads nowhere is an error without a traceback."""
        result = run("nowhere.csv")

        assert result.exit_code == 1
        assert "nowhere.csv" in result.output

    def test_the_order_of_day_and_month_can_be_said(self, tmp_path):
        """An undecided file is refused, and read once its owner says more."""
        path = tmp_path / "x.csv"
        path.write_text(GOOD.replace("2024-01-02", "01/02/2024"))

        assert run(str(path)).exit_code == 1
        assert run(str(path), "--monthfirst").exit_code == 0
        assert run(str(path), "--dayfirst").exit_code == 0

    def test_columns_and_decimals_can_be_said(self, tmp_path):
        """A headless file with doubtful numbers needs both options."""
        path = tmp_path / "x.csv"
        path.write_text("2024-01-02;1.005;1.005;1.005;1.005;1\n")
        columns = ("--columns", "date,open,high,low,close,volume")

        assert run(str(path), *columns).exit_code == 1
        assert run(str(path), *columns, "--decimal", ",").exit_code == 0
        assert isinstance(run(str(path), "--decimal", "x").exception, SettingError)

    def test_each_finding_says_what_training_does(self, files):
        """An error stops training, a defect costs windows, an oddity nothing."""
        assert "Training stops." in run(files["bad"]).output
        assert "Training refuses the windows that" in run(files["odd"]).output
        assert "Training uses the row as it is." in run(files["still"]).output

    def test_json_is_for_programs(self, files):
        """The same findings as data."""
        result = run(files["bad"], "--json")
        answer = json.loads(result.output)

        assert result.exit_code == 1
        assert answer["errors"] == 1
        assert answer["findings"][0]["row"] == 3
        assert answer["findings"][0]["date"] == "2024-01-03"

    def test_a_terminal_gets_a_table(self, files, monkeypatch, capsys):
        """On a terminal the findings stand in columns, brackets intact."""
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", "200")
        _print_table(check(files["bad"]))
        output = capsys.readouterr().out

        assert "what to do" in output
        assert "[x]" in output

    def test_a_terminal_is_not_flooded(self, files, monkeypatch, capsys):
        """Of many findings the worst come first, the rest is counted."""
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setattr("closecast.cli.data.SHOWN", 2)
        _print_table([*check(files["still"]) * 3, *check(files["bad"])])
        output = capsys.readouterr().out

        assert output.index("error") < output.index("warning")
        assert "And 2 more: see --out, --json or a pipe." in output

    @pytest.mark.usefixtures("files")
    def test_a_folder_is_summed_up(self, tmp_path):
        """Files, broken files and kinds of warnings are counted in one line."""
        result = run(str(tmp_path))

        assert result.output.splitlines()[-1] == (
            "Checked: 4 files. Errors: 1. Warnings: 2 (1 unit, 1 untraded)."
        )
        assert "Training leaves the file out." in result.output


class TestOut:
    def test_a_page_shows_the_worst_spots(self, tmp_path):
        """A jump to nine times the price is drawn and explained."""
        rows = "".join(f"2024-02-{d:02d},1,1,1,1.0,1\n" for d in range(1, 20))
        odd = tmp_path / "odd.csv"
        odd.write_text(GOOD + rows + "2024-02-20,10,10,10,10,1\n2024-02-21,9,9,9,9,1\n")
        page = tmp_path / "page.html"
        result = run(str(odd), "--out", str(page))

        assert result.exit_code == 0
        text = page.read_text()
        assert text.count("<svg") == 1
        assert "refuses the windows that touch it" in text

    def test_a_file_with_errors_has_a_page_too(self, files, tmp_path):
        """Errors are listed where nothing can be drawn."""
        page = tmp_path / "page.html"

        assert run(files["bad"], "--out", str(page)).exit_code == 1
        assert "a number, got" in page.read_text()

    def test_a_place_that_cannot_be_written(self, files):
        """It is found before anything is read."""
        result = run("nowhere.csv", "--out", files["good"] + "/page.html")

        assert isinstance(result.exception, SettingError)


class TestRepair:
    def test_a_new_file_and_its_log(self, files, tmp_path):
        """The original stays, the repaired file is sound, each change is logged."""
        target = tmp_path / "new.csv"
        before = (tmp_path / "bad.csv").read_bytes()
        run(files["bad"], "--repair", str(target))

        assert run(str(target)).exit_code == 0
        log = json.loads((tmp_path / "new.repairs.json").read_text())
        assert [change["action"] for change in log] == ["row dropped"]
        assert (tmp_path / "bad.csv").read_bytes() == before

    def test_nothing_is_written_over(self, files):
        """A file that is there is never a target."""
        result = run(files["bad"], "--repair", files["bad"])

        assert isinstance(result.exception, SettingError)
        assert "a new file" in str(result.exception)
