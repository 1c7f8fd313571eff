"""The file of settings: one sentence for each mistake."""

import pytest

from closecast.errors import SettingError
from closecast.serving.daily.config import EXAMPLE, Mail, Webhook, read_config
from closecast.serving.shelf import default_shelf

LEAST = 'model = "m"\nprices = "p.csv"\n'
PULL = LEAST + "[pull]\nvendor = 'yahoo'\n"


def read(tmp_path, text):
    """Read settings from a text."""
    path = tmp_path / "daily.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def test_the_example_is_read(tmp_path):
    """As it is written, and with every comment taken away from a setting."""
    text = EXAMPLE.read_text(encoding="utf-8")
    config = read(tmp_path, text)

    assert config.pull.symbols == ("AAPL", "MSFT")
    assert config.ledger == str(tmp_path / "daily" / "ledger.sqlite")
    assert (config.webhook, config.mail, config.notice) == (None, None, "")

    lines = [
        line.removeprefix("# ") if " = " in line or line.startswith("# [") else line
        for line in text.splitlines()
    ]
    full = read(tmp_path, "\n".join(line for line in lines if line[:5] != "model"))
    assert full.shelf == default_shelf()
    assert full.webhook.url == "https://example.org/hook"
    assert full.mail.to == ("me@example.org",)
    assert full.ledger == "postgresql://closecast@localhost/closecast"


def test_paths_count_from_the_file(tmp_path):
    """Wherever cron starts the job."""
    config = read(tmp_path, LEAST)

    assert config.model == tmp_path / "m"
    assert config.prices == str(tmp_path / "p.csv")
    assert config.home == tmp_path / "daily"
    for prices in ("sample", "store:AAPL,MSFT", "store:"):
        text = f'model = "m"\nprices = "{prices}"\n'
        assert read(tmp_path, text).prices == prices


def test_a_shelf_stands_in_place_of_a_model(tmp_path, monkeypatch):
    """Its folder counts from the file, and the user's own has a name."""
    monkeypatch.setenv("CLOSECAST_SHELF", str(tmp_path / "mine"))

    def shelf(text):
        return read(tmp_path, f'shelf = "{text}"\nprices = "sample"\n').shelf

    assert shelf("models") == tmp_path / "models"
    assert shelf("default") == tmp_path / "mine"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mode = 'x'", r"got 'mode' .*daily.toml\). Did you mean 'model'"),
        (LEAST + "[mail]\nhosst = 'x'", r"got 'hosst' .*\[mail\]\). Did you mean"),
        ("model = 'x'", r"a value for prices, got none"),
        ("prices = 'x'", r"either model or shelf, got neither"),
        (LEAST + "shelf = 's'", r"either model or shelf, got both"),
        ("model = 5\nprices = 'x'", r"model to be text, got 5"),
        (LEAST + "[mail]\nhost = 'x'\nto = ['a']", r"a value for sender, got none"),
        (LEAST + "language = 3", r"language to be text, got 3"),
        (LEAST + "pull = 'yahoo'", r"Expected a table, got 'yahoo'"),
        (PULL + "symbols = 'AAPL'", r"list of texts, got 'AAPL'"),
        (PULL + "symbols = []", r"a list of texts, got \(\)"),
        (LEAST + "[watch]\ndelay_minutes = -1", r"delay_minutes to be above 0, got -1"),
        (LEAST + "[webhook]\nurl = 'file:///etc/passwd'", r"begin with https://"),
        (LEAST + "[webhook]\nurl = 'http://x'\ntries = 1.5", r"to be a whole number"),
        ("= nothing", r"TOML file of settings, got none that can be read"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(tmp_path, text, told):
    """With the place and what to do."""
    with pytest.raises(SettingError, match=told):
        read(tmp_path, text)


def test_a_file_that_is_missing_says_how_to_write_one(tmp_path):
    """The command that makes an example."""
    with pytest.raises(SettingError, match=r"closecast daily .*none.toml --init"):
        read_config(tmp_path / "none.toml")


def test_a_password_is_never_sent_in_the_clear():
    """A user without encryption is refused."""
    with pytest.raises(SettingError, match=r"starttls with a user"):
        Mail(host="h", to=("a",), sender="b", user="me", starttls=False)


def test_settings_cannot_change():
    """None leaks into the next run."""
    with pytest.raises(AttributeError):
        Webhook(url="https://x").url = "y"
