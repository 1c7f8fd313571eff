"""An exported model forecasts what the engine forecasts."""

import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

from closecast.engine import choose_engine
from closecast.engine.native import supported
from closecast.market.own import with_own
from closecast.training.export import export_onnx
from closecast.training.model import tables_of, train_fleet
from closecast.training.settings import Settings


def exported(model, bars, cutoffs, tmp_path):
    data = tables_of(bars, model.settings)
    session = onnxruntime.InferenceSession(export_onnx(model, tmp_path / "m.onnx"))
    inputs = {"context": data.context(cutoffs), "scale": data.scale[cutoffs]}
    if data.state.shape[1]:
        inputs["state"] = data.state[cutoffs]
    return data, session.run(
        ["raw"], {name: array.astype(np.float32) for name, array in inputs.items()}
    )[0]


@pytest.mark.parametrize("engine", ["torch", *(["native"] if supported() else [])])
def test_it_gives_the_engines_outputs(engine, model, bars, rows, tmp_path):
    """From contexts, scale and state to raw outputs within 1e-5."""
    data, raw = exported(model, bars, rows[1], tmp_path)
    expected = choose_engine(engine).outputs(
        data, model.settings.network, model.weights, rows[1]
    )

    np.testing.assert_allclose(raw[0], expected, rtol=0, atol=1e-5)


def test_states_and_own_columns_are_an_input_of_the_file(bars, rows, tmp_path):
    """A mood of the day comes in beside the states, and moves what comes out."""
    settings = Settings(
        context_length=8,
        horizon=3,
        hidden_size=4,
        epochs=1,
        batch_size=32,
        states="har",
        past_columns="mood",
    )
    dates = np.unique(bars.dates)
    mood = np.random.default_rng(0).normal(size=len(dates))
    told, other = (
        with_own(
            bars,
            pd.DataFrame({"date": dates, "mood": values}),
            settings.own_columns,
            settings.horizon,
        )
        for values in (mood, -mood)
    )
    (model,) = train_fleet(told, [settings], *rows)

    data, raw = exported(model, told, rows[1], tmp_path)

    expected = choose_engine("torch").outputs(
        data, settings.network, model.weights, rows[1]
    )
    np.testing.assert_allclose(raw[0], expected, rtol=0, atol=1e-5)
    assert np.abs(exported(model, other, rows[1], tmp_path)[1] - raw).max() > 1e-4


def test_every_seed_is_in_the_file(bars, rows, tmp_path):
    """An ensemble's networks come in the order of their seeds."""
    settings = Settings(
        context_length=8, horizon=3, hidden_size=4, epochs=1, batch_size=32, seeds=2
    )
    (model,) = train_fleet(bars, [settings], *rows)
    data, raw = exported(model, bars, rows[1], tmp_path)

    for own, member in zip(raw, model.members, strict=True):
        expected = choose_engine("torch").outputs(
            data, settings.network, member.weights, rows[1]
        )
        np.testing.assert_allclose(own, expected, rtol=0, atol=1e-5)


def test_the_file_says_what_it_reads_and_where_it_comes_from(bars, rows, tmp_path):
    """Features, units, settings, data and a point's spread are in the metadata."""
    settings = Settings(
        context_length=8,
        horizon=3,
        hidden_size=4,
        epochs=1,
        batch_size=32,
        head="point",
    )
    (model,) = train_fleet(bars, [settings], *rows)
    path = export_onnx(model, tmp_path / "m.onnx")

    notes = {note.key: note.value for note in onnx.load(path).metadata_props}
    assert notes["features"] == "open,high,low,close,volume"
    assert json.loads(notes["settings"]) == settings.to_dict()
    assert json.loads(notes["trained_on"])["fingerprint"] == bars.fingerprint
    assert json.loads(notes["residual_scale"]) == [model.residual_scale.tolist()]
