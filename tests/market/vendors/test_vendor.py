"""Vendors by name, their processes, and what a process may and may not see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from closecast.errors import MissingExtraError, SettingError, VendorError
from closecast.market.vendors import child
from closecast.market.vendors.process import _environment
from closecast.market.vendors.vendor import KINDS, open_vendor

SRC = Path(child.__file__).parents[3]


@pytest.mark.parametrize("name", ["yaho", "ccxt", "yahoo:nyse", ""])
def test_an_unknown_vendor_is_refused(name):
    """A name must be one of four, and coins need their exchange."""
    with pytest.raises(SettingError, match="Expected a vendor yahoo, naver, krx or"):
        open_vendor(name)


@pytest.mark.parametrize("name", ["yahoo", "naver", "krx", "ccxt:binance"])
def test_a_missing_library_is_named_with_its_extra(name, monkeypatch, tmp_path):
    """A Python without the library says what to install."""
    monkeypatch.setenv("KRX_ID", "x")
    monkeypatch.setenv("KRX_PW", "x")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True
    )
    python = str(tmp_path / "bin" / "python")
    extra = name.partition(":")[0]

    with (
        open_vendor(name, python=python) as vendor,
        pytest.raises(MissingExtraError, match=rf"pip install 'closecast\[{extra}\]'"),
    ):
        vendor.fetch("005930")


def test_a_python_that_is_not_there_is_named(monkeypatch):
    """A wrong path in the environment is said with its variable."""
    monkeypatch.setenv("CLOSECAST_YAHOO_PYTHON", "/nowhere/python")

    with pytest.raises(SettingError, match="a Python in CLOSECAST_YAHOO_PYTHON"):
        open_vendor("yahoo").fetch("AAPL")


def test_a_process_that_dies_is_an_error(tmp_path):
    """A Python that ends at once gives a sentence and no traceback."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)

    from closecast.market.vendors.manners import Manners

    once = Manners(retries=0)
    with pytest.raises(VendorError, match="its process ended before it answered"):
        open_vendor("yahoo", python=str(python), manners=once).fetch("AAPL")


def test_vendors_files_need_nothing_but_the_standard_library():
    """They are imported by a Python that has no other package of ours."""
    modules = ", ".join(
        f"closecast.market.vendors.{name}"
        for name in ("child", "http", "wire", *(k.module for k in KINDS.values()))
    )
    code = f"import sys; sys.path.insert(0, {str(SRC)!r}); import {modules}"

    subprocess.run([sys.executable, "-S", "-I", "-c", code], check=True)


def test_only_the_exchange_sees_its_login():
    """A name and a word for Korea are hidden from every other vendor."""
    ours = {"KRX_ID": "a", "KRX_PW": "b", "PATH": "/bin", "PYTHONPATH": "/x"}

    assert _environment("krx", ours) == {"KRX_ID": "a", "KRX_PW": "b", "PATH": "/bin"}
    assert _environment("yahoo", ours) == {"PATH": "/bin"}


def test_messages_hold_no_secret(monkeypatch):
    """A library that puts a word into its error does not show it."""
    monkeypatch.setenv("KRX_PW", "s3cret")
    words = child._discreet("could not\n log in with pw=s3cret")

    assert words == "could not log in with pw=[KRX_PW]"


def test_nothing_of_a_vendor_is_loaded_by_us():
    """Opening a vendor starts no process and imports no library."""
    code = (
        "import sys; from closecast.market.vendors.vendor import open_vendor; "
        "open_vendor('yahoo'); "
        "print({'yfinance', 'pykrx', 'ccxt', 'tenacity'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )

    assert done.stdout.strip() == "set()"
