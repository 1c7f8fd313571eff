"""The bytes of a row, as the documentation says them."""

import hashlib
import json
import struct
from dataclasses import fields, replace
from datetime import date, timedelta

import numpy as np

from closecast.forecast import LEVELS
from closecast.serving.ledger import Ledger
from closecast.serving.ledger.chain import forecast_of, hash_of


def test_anybody_can_make_the_hash_again(ledger: Ledger, market):
    """From the documented bytes alone, with nothing of closecast but the row."""
    market.run(ledger, range(-2, 0))
    previous = hashlib.sha256(f"closecast ledger 1\n{ledger.head.ledger}".encode())
    last = previous.hexdigest()

    for past in ledger.entries():
        entry = past.entry
        words = {
            "as_of": entry.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "code": entry.code,
            "cutoff": str(entry.cutoff),
            "data_hash": entry.data_hash,
            "last_close": struct.pack("<d", entry.last_close).hex(),
            "late": entry.late,
            "mean": struct.pack("<5f", *entry.mean).hex(),
            "model": entry.model,
            "model_hash": entry.model_hash,
            "number": entry.number,
            "quantiles": struct.pack("<195f", *entry.quantiles.ravel()).hex(),
            "symbol": entry.symbol,
            "target_dates": [str(date) for date in entry.target_dates],
        }
        text = json.dumps(words, separators=(",", ":"))
        digest = hashlib.sha256(bytes.fromhex(last) + text.encode("ascii"))
        assert entry.previous == last
        assert entry.hash == digest.hexdigest()
        last = entry.hash

    assert last == ledger.head.hash


def test_every_field_is_in_the_hash(ledger: Ledger, market):
    """No field can be changed without the hash changing."""
    market.run(ledger, range(-1, 0))
    entry = next(ledger.entries()).entry
    other = {
        "number": 7, "model": "x", "symbol": "x", "cutoff": date(2001, 1, 1),
        "target_dates": entry.target_dates[:-1], "last_close": entry.last_close * 2,
        "mean": entry.mean + 1, "quantiles": entry.quantiles + 1,
        "as_of": entry.as_of + timedelta(seconds=1), "data_hash": "b" * 64,
        "model_hash": "b" * 64, "code": "x", "late": not entry.late,
        "previous": "b" * 64,
    }  # fmt: skip

    assert {field.name for field in fields(entry)} == {*other, "hash"}
    for name, value in other.items():
        assert hash_of(replace(entry, **{name: value})) != entry.hash, name


def test_a_forecast_comes_back_as_it_was_recorded(ledger: Ledger, market):
    """In single precision: what is scored is what is stored."""
    market.run(ledger, range(-1, 0))
    forecasts = market.forecasts(market.bars)["closecast"]
    entries = [p.entry for p in ledger.entries(model="closecast")]

    back = forecast_of(entries)

    assert back.symbols.tolist() == forecasts.symbols.tolist()
    assert np.array_equal(back.target_dates, forecasts.target_dates)
    assert np.array_equal(back.last_close, forecasts.last_close)
    assert np.array_equal(back.quantiles, forecasts.quantiles.astype(np.float32))
    assert back.quantiles.shape == (2, 5, len(LEVELS))
