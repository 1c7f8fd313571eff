"""A trained model forecasts from the past alone and says what it saw."""

from dataclasses import replace

import numpy as np
import pytest

from closecast.engine import choose_engine
from closecast.errors import TrainingError, WindowError
from closecast.market.bars import Bars
from closecast.training.model import train_fleet
from closecast.windows.index import last_cutoffs
from closecast.windows.scaling import WindowData


class TestForecast:
    def test_it_is_one_window_a_cutoff(self, model, bars, settings):
        """Symbol, cutoff, last close and target dates are those of the panel."""
        cutoffs = last_cutoffs(bars, settings.window_spec)[::-1] - 4

        forecast = model.forecast(bars, cutoffs)

        assert model.name == "closecast"
        assert forecast.symbols.tolist() == list(bars.symbols[::-1])
        assert (forecast.cutoffs == bars.dates[cutoffs]).all()
        assert (forecast.last_close == bars.close[cutoffs]).all()
        for step in (1, 2, 3):
            target = bars.dates[cutoffs + step]
            assert (forecast.target_dates[:, step - 1] == target).all()
        assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()

    def test_the_future_does_not_matter(self, model, bars):
        """Other bars after the cutoff change no bit of the forecast."""
        cutoffs = bars.offsets[:-1] + 60
        noise = np.exp(np.random.default_rng(0).normal(size=(len(bars), 1)))
        late = np.arange(len(bars)) > np.repeat(cutoffs, np.diff(bars.offsets))
        other = replace(bars, values=np.where(late[:, None], noise, 1) * bars.values)

        before, after = (model.forecast(panel, cutoffs) for panel in (bars, other))

        assert before.mean.tobytes() == after.mean.tobytes()
        assert before.quantiles.tobytes() == after.quantiles.tobytes()

    def test_a_cut_panel_gives_the_same_bits(self, model, bars):
        """The forecast for a cutoff equals the one from data that ends there."""
        row = int(bars.offsets[0]) + 70
        cut = bars.select(np.arange(len(bars)) <= row)

        whole = model.forecast(bars, np.arange(20, 110)).take(np.array([row - 20]))
        alone = model.forecast(cut, np.array([row]))

        assert whole.quantiles.tobytes() == alone.quantiles.tobytes()

    def test_the_unit_of_the_price_does_not_matter(self, model, bars):
        """A history multiplied by 7.3 gives the same log returns."""
        values = bars.values * np.array([7.3, 7.3, 7.3, 7.3, 1 / 7.3])
        cutoffs = np.arange(30, 60)

        base = model.forecast(bars, cutoffs)
        other = model.forecast(replace(bars, values=values), cutoffs)

        np.testing.assert_allclose(other.quantiles, base.quantiles, atol=1e-7)

    @pytest.mark.parametrize("short", [0, 6])
    def test_a_context_never_crosses_symbols(self, model, bars, short):
        """A cutoff too early in its symbol is refused by symbol and date."""
        row = int(bars.offsets[1]) + short

        with pytest.raises(
            WindowError, match=f"8 bars .* got {short + 1} .*symbol {bars.symbols[1]}"
        ):
            model.forecast(bars, np.array([row]))

    @pytest.mark.parametrize("row", [-1, 240])
    def test_a_row_outside_the_panel_is_refused(self, model, bars, row):
        """No row is counted from the end."""
        with pytest.raises(WindowError, match=f"rows 0 to 239 of the panel, got {row}"):
            model.forecast(bars, np.array([row]))


class TestTrainFleet:
    def test_a_fleet_equals_each_alone(self, bars, settings, rows):
        """Other windows, heads and seeds beside it change no bit of a model."""
        fleet = [
            settings,
            replace(settings, context_length=5, seed=1),
            replace(settings, head="point", num_layers=1),
        ]
        for one, together in zip(fleet, train_fleet(bars, fleet, *rows), strict=True):
            (alone,) = train_fleet(bars, [one], *rows)
            assert together.settings == one
            assert together.curve == alone.curve
            for name, weight in together.weights.items():
                assert weight.tobytes() == alone.weights[name].tobytes()

    def test_the_record_says_what_was_seen(self, model, bars, rows):
        """Dates, counts and fingerprint are those of the training windows."""
        train, validation = rows

        assert model.trained_on == {
            "fingerprint": bars.fingerprint,
            "symbols": 2,
            "first_date": str(bars.dates[0]),
            "last_date": str(bars.dates[train + 3].max()),
            "validation_last_date": str(bars.dates[-1]),
            "train_windows": len(train),
            "validation_windows": len(validation),
            "engine": choose_engine().name,
        }
        assert bars.dates[train + 3].max() < bars.dates[validation].min()

    def test_the_point_head_measures_its_spread(self, bars, settings, rows):
        """The spread is the root mean square of the validation errors a step."""
        (model,) = train_fleet(bars, [replace(settings, head="point")], *rows)
        data = WindowData.of(bars, settings.window_spec)
        raw = choose_engine().outputs(
            data, model.settings.network, model.weights, rows[1]
        )
        errors = data.target(rows[1]) / data.unit(rows[1]) - raw[..., 0]

        np.testing.assert_allclose(
            model.residual_scale, np.sqrt((errors**2).mean(axis=0)), rtol=1e-6
        )
        forecast = model.forecast(bars, rows[1])
        sd = (forecast.quantile(0.975) - forecast.mean) / 1.959964 / data.unit(rows[1])
        expected = np.broadcast_to(model.residual_scale, sd.shape)
        np.testing.assert_allclose(sd, expected, rtol=1e-5)

    def test_the_student_t_head_needs_no_spread(self, model):
        """Its spread is part of its outputs."""
        assert model.residual_scale is None

    def test_progress_is_passed_on(self, bars, settings, rows):
        """Each epoch of each model is reported."""
        seen = []
        train_fleet(bars, [replace(settings, epochs=2)] * 2, *rows, seen.append)

        # models are trained side by side: their reports come in any order
        assert sorted((p.member, p.epoch) for p in seen) == [
            ("model 1", 1),
            ("model 1", 2),
            ("model 2", 1),
            ("model 2", 2),
        ]

    def test_no_window_is_refused(self, bars, settings, rows):
        """Training on nothing says so."""
        with pytest.raises(TrainingError, match=r"got 0 and \d+ \(member model 1\)"):
            train_fleet(bars, [settings], rows[0][:0], rows[1])

    def test_a_batch_above_the_data_is_refused(self, bars, settings, rows):
        """A batch that can never be filled says how many windows there are."""
        large = replace(settings, batch_size=5000)

        with pytest.raises(TrainingError, match=r"at most the \d+ .* got 5000"):
            train_fleet(bars, [large], *rows)

    def test_messages_call_a_model_by_the_name_it_was_given(self, bars, settings, rows):
        """A fleet of a sweep names its own members."""
        large = replace(settings, batch_size=5000)

        with pytest.raises(TrainingError, match=r"got 5000 \(second\)"):
            train_fleet(bars, [settings, large], *rows, names=["first", "second"])

    def test_a_target_never_crosses_symbols(self, bars, settings, rows):
        """A cutoff without its closes to come is refused."""
        last = np.array([bars.offsets[1] - 1])

        with pytest.raises(WindowError, match="3 after it, got 120 and 0"):
            train_fleet(bars, [settings], rows[0], last)

    def test_a_panel_is_not_changed(self, model, bars):
        """The panel that was trained on is still the same."""
        assert isinstance(bars, Bars)
        assert model.trained_on["fingerprint"] == bars.fingerprint
