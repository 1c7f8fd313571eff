"""Progress is for people at a terminal."""

from closecast.cli.options import read
from closecast.cli.screen import file_progress


def test_a_terminal_sees_the_files_pass(monkeypatch, capsys):
    """The bar says what is done, how many files are, and of how many."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with file_progress("importing") as on_file:
        on_file(3, 7)
    said = capsys.readouterr()

    assert "importing" in said.err
    assert "3/7" in said.err
    assert said.out == ""


def test_a_pipe_sees_nothing(capsys):
    """Other programs read what a command says, not how far it is."""
    with file_progress("importing") as on_file:
        assert on_file is None
    assert capsys.readouterr().err == ""


def test_a_folder_is_read_with_progress(tmp_path, monkeypatch):
    """Each file of a folder moves the bar."""
    seen = []

    class Bar:
        def __enter__(self):
            return lambda *done: seen.append(done)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("closecast.cli.options.file_progress", lambda _: Bar())
    for name in "ab":
        text = "date,open,high,low,close,volume\n2024-01-02,1,1,1,1,1\n"
        (tmp_path / f"{name}.csv").write_text(text)
    bars = read(str(tmp_path))

    assert bars.symbols == ("a", "b")
    assert seen == [(1, 2), (2, 2)]
