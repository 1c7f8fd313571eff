"""The forecast object says what it holds and refuses what it does not."""

import numpy as np
import pytest

from closecast.forecast import LEVELS, Forecast, concatenated


def forecast(windows=2, horizon=3):
    """Symmetric forecasts around a rising mean."""
    mean = np.arange(windows * horizon, dtype=float).reshape(windows, horizon) / 100
    return Forecast(
        symbols=np.array([f"S{i}" for i in range(windows)]),
        cutoffs=np.full(windows, np.datetime64("2020-01-02")),
        target_dates=np.full((windows, horizon), np.datetime64("2020-01-03")),
        last_close=np.full(windows, 100.0),
        mean=mean,
        quantiles=mean[..., None] + (2 * LEVELS - 1),
    )


def test_the_edges_of_the_usual_intervals_are_stored():
    """The 50, 80, 90 and 95 % intervals need no interpolation."""
    for level in (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975):
        assert np.abs(LEVELS - level).min() < 1e-12


@pytest.mark.parametrize("level", [0.025, 0.11, 0.5, 0.975])
def test_a_quantile_between_two_levels_is_interpolated(level):
    """Linear quantiles come back exactly at any level."""
    one = forecast()

    np.testing.assert_allclose(
        one.quantile(level), one.mean + 2 * level - 1, atol=1e-12
    )


@pytest.mark.parametrize("level", [0.01, 0.99])
def test_the_far_tails_are_refused(level):
    """No quantile is made up beyond the stored ones."""
    with pytest.raises(ValueError, match="does not store its far tails"):
        forecast().quantile(level)


def test_quantiles_of_another_shape_are_refused():
    """A forecast holds one value for each level."""
    one = forecast()

    with pytest.raises(ValueError, match=r"quantiles of shape \(2, 3, 39\)"):
        Forecast(
            symbols=one.symbols,
            cutoffs=one.cutoffs,
            target_dates=one.target_dates,
            last_close=one.last_close,
            mean=one.mean,
            quantiles=one.quantiles[..., :5],
        )


def test_the_table_has_a_row_for_each_window_and_step():
    """Prices count from the last close, and quantiles ascend."""
    columns = forecast().to_columns()

    assert columns["symbol"].tolist() == ["S0"] * 3 + ["S1"] * 3
    assert columns["step"].tolist() == [1, 2, 3, 1, 2, 3]
    np.testing.assert_allclose(columns["median"], 100 * np.exp(np.arange(6) / 100))
    assert (columns["q05"] < columns["q25"]).all()
    assert list(columns)[-6:] == ["q05", "q10", "q25", "q75", "q90", "q95"]


def test_windows_can_be_taken():
    """A part of a forecast is a forecast."""
    part = forecast().take(np.array([1]))

    assert part.symbols.tolist() == ["S1"]
    assert len(part) == 1


def test_forecasts_are_put_one_after_the_other():
    """Nothing is lost and nothing is reordered."""
    whole = forecast(windows=6)
    again = concatenated([whole.take(np.arange(4)), whole.take(np.arange(4, 6))])

    assert np.array_equal(again.quantiles, whole.quantiles)
    assert np.array_equal(again.symbols, whole.symbols)
    assert np.array_equal(again.target_dates, whole.target_dates)
