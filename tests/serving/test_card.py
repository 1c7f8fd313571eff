"""The model card: what is said of a version, from its files alone."""

from pathlib import Path

from closecast.serving.card import card_of
from closecast.serving.shelf import Shelf


def test_a_card_tells_verdict_figures_data_and_history(shelf: Shelf):
    """What a reader needs to trust a model, or not, is on one page."""
    card = card_of(shelf.version(1), shelf.log())

    assert card.startswith("# Model card: version 1\n")
    assert "**No evidence of skill in the mean.**" in card
    assert "| 5 | 0.5500 | 0.0170 | 81.0% | 94.0% | +7.00% | -1.00% |" in card
    assert "2012-01-03 to 2012-06-29, 120 windows" in card
    assert "| truncation | passed | 0 of 600 moved |" in card
    assert "| hidden_size | 4 |" in card
    assert "promote: there is no other" in card
    assert shelf.version(1).model_hash in card


def test_a_card_says_that_a_model_was_not_judged(model_folder: Path, tmp_path: Path):
    """A model without a scoreboard gets no figures, and that is said."""
    shelf = Shelf(tmp_path)
    shelf.add(model_folder, reason="bare")

    card = card_of(shelf.version(1), shelf.log())

    assert "Not judged: it was put on the shelf without a scoreboard." in card
    assert "## Figures" not in card


def test_what_a_person_wrote_stays_text(model_folder: Path, tmp_path: Path):
    """A reason with Markdown or HTML in it is shown as it was typed."""
    shelf = Shelf(tmp_path)
    shelf.add(model_folder, reason="<script>a|b</script> [x](http://y)")

    card = card_of(shelf.version(1), shelf.log())

    assert "<script>" not in card.replace("\\<script>", "")
    assert "[x](http" not in card.replace("\\[x](http", "")
