import json
import re
from pathlib import Path

import pytest
from matplotlib.image import imread

from closecast.errors import SettingError
from closecast.lab.picture import canvas, show
from closecast.lab.play import ON_PAGE, RECORD


def test_a_picture_has_its_words():
    """The drawing is labelled, and a notebook shows it with its label."""
    figure, axes = canvas(width=4.0, height=2.0)
    axes.plot([1, 2], label="학습")
    axes.legend(frameon=False)
    picture = show(figure, 'a line that "rises" & ends')

    assert 'aria-label="a line that &#34;rises&#34; &amp; ends"' in picture.svg
    assert ">학습</text>" in picture.svg
    assert str(picture.svg) in picture._repr_html_()
    assert repr(picture) == picture.alt


def test_every_letter_follows_the_page():
    """What a lesson writes itself, as a legend, takes the page's ink: dark or light."""
    figure, axes = canvas()
    axes.plot([1, 2], label="train")
    axes.legend()
    texts = re.findall(r"<text[^>]*>", show(figure, "a line").svg)

    assert len(texts) > 5
    assert all("fill: var(--" in text for text in texts)


def test_a_grid_has_its_axes():
    """Rows and columns are those of plt.subplots."""
    figure, axes = canvas(2, 3, width=6.0)

    assert axes.shape == (2, 3)
    assert figure.get_figwidth() == 6.0


def test_a_page_is_told_in_the_output(capsys, monkeypatch):
    """Where a lesson runs for a page, a figure is a record on a line of its own."""
    monkeypatch.setenv(ON_PAGE, "1")
    figure, _ = canvas()
    picture = show(figure, "nothing")
    line, end = capsys.readouterr().out.split("\n")

    assert line.startswith(RECORD)
    assert end == ""
    assert json.loads(line[1:]) == {"svg": str(picture.svg), "alt": "nothing"}


def test_without_a_page_nothing_is_printed(capsys):
    """A notebook shows the picture itself."""
    show(canvas()[0], "nothing")

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf"])
def test_it_is_saved(name: str, tmp_path: Path):
    """Pixels, paths or pages."""
    figure, axes = canvas(width=2.0, height=1.0)
    axes.set_title("조기 종료")
    path = show(figure, "a title").save(tmp_path / name)

    assert path.stat().st_size > 1000
    if name == "a.png":
        assert imread(path).shape[:2] == (200, 400)


def test_another_kind_of_file_is_refused(tmp_path: Path):
    """What cannot be written is told before it is tried."""
    with pytest.raises(SettingError, match=r"ends in .png, .svg or .pdf, got 'a.docx'"):
        show(canvas()[0], "nothing").save(tmp_path / "a.docx")
