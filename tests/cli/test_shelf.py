"""``closecast shelf`` and ``closecast serve keys``: what a user types and reads."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from closecast.cli import app
from closecast.errors import IntegrityError, SettingError
from closecast.experiments.forecaster import Forecaster
from closecast.market.sample import sample_bars


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Train as little as possible."""
    import numpy as np

    every = sample_bars()
    recent = every.select(every.dates >= np.datetime64("2012-01-01"))
    folder = tmp_path_factory.mktemp("model")
    small = Forecaster(hidden_size=4, num_layers=1, epochs=1, batch_size=256)
    small.fit(recent).save(folder)
    return folder


def run(*words: object):
    """Type a command that must succeed; give what it says."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_model_goes_onto_the_shelf_serves_and_goes_back(model: Path, tmp_path: Path):
    """Add, promote, roll back, list and read the card, as the how-to page has it."""
    on = ("--shelf", tmp_path)
    run("shelf", "add", model, "--reason", "the first", "--promote", *on)
    run("shelf", "add", model, "--reason", "a second", *on)
    run("shelf", "promote", 2, "--reason", "better", *on)
    assert json.loads(run("shelf", "list", "--json", *on))["serving"] == 2

    said = run("shelf", "rollback", "--reason", "worse after all", *on)

    assert said.startswith("Version 1 serves")
    told = json.loads(run("shelf", "list", "--json", *on))
    assert told["serving"] == 1
    assert [entry["action"] for entry in told["log"]][-1] == "rollback"
    assert "worse after all" in run("shelf", "list", *on)
    assert run("shelf", "card", 1, *on).startswith("# Model card: version 1")


def test_a_card_is_written_where_asked(model: Path, tmp_path: Path):
    """To a file, for a repository or a wiki."""
    on = ("--shelf", tmp_path / "shelf")
    run("shelf", "add", model, "--reason", "the first", *on)

    run("shelf", "card", 1, "--out", tmp_path / "card.md", *on)

    assert "## Training" in (tmp_path / "card.md").read_text()


def test_a_damaged_shelf_is_an_alarm(model: Path, tmp_path: Path):
    """A touched weight is an integrity error, which exits with 3."""
    on = ("--shelf", tmp_path)
    run("shelf", "add", model, "--reason", "the first", "--promote", *on)
    weights = tmp_path / "versions" / "0001" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")

    with pytest.raises(IntegrityError, match="as it was put on the shelf"):
        run("shelf", "list", *on)


def test_a_key_is_shown_once_listed_and_revoked(tmp_path: Path):
    """Its name and its day are kept, the key itself is not."""
    at = ("--keys", tmp_path / "keys")
    made = json.loads(run("serve", "keys", "add", "laptop", "--json", *at))

    listed = run("serve", "keys", "list", *at)

    assert "laptop" in listed
    assert made["key"] not in listed
    assert "Key of phone" in run("serve", "keys", "add", "phone", *at)
    run("serve", "keys", "revoke", "laptop", *at)
    left = json.loads(run("serve", "keys", "list", "--json", *at))
    assert [key["name"] for key in left] == ["phone"]


def test_a_careless_host_is_refused_before_anything_is_opened():
    """The command says what to give instead."""
    with pytest.raises(SettingError, match="--insecure"):
        run("serve", "--host", "0.0.0.0")  # noqa: S104
