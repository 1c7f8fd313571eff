"""A mean is kept as far as validation supports it."""

from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import SettingError
from closecast.models.config import initial_weights
from closecast.training.checkpoint import load, save
from closecast.training.model import train_fleet
from closecast.training.settings import Settings
from closecast.training.shrinkage import FEWEST_DATES, keep_share, supported_share
from closecast.windows.peers import KOREA, NEW_YORK, NUM_MARKETS, OTHER

RNG = np.random.default_rng(0)
DATES = np.repeat(np.arange(250), 20)
MEAN = RNG.normal(size=(5000, 2))
NOISE = RNG.normal(size=(5000, 2))
ONE_MARKET = np.full(5000, OTHER)


class TestSupportedShare:
    @pytest.mark.parametrize("truth", [0.3, 0.6])
    def test_it_is_the_slope_where_that_is_sure(self, truth):
        """Outcomes that follow a share of the mean support that share."""
        share = supported_share(MEAN, truth * MEAN + NOISE, DATES, ONE_MARKET)

        np.testing.assert_allclose(share[OTHER], truth, atol=0.04)

    def test_a_mean_that_errs_is_not_kept(self):
        """Outcomes against the mean support none of it."""
        share = supported_share(MEAN, NOISE - MEAN, DATES, ONE_MARKET)

        assert share[OTHER].tolist() == [0.0, 0.0]

    def test_a_mean_too_small_is_not_blown_up(self):
        """All of it is the most that is kept."""
        share = supported_share(MEAN, 3 * MEAN, DATES, ONE_MARKET)

        assert share[OTHER].tolist() == [1.0, 1.0]

    def test_one_lucky_day_is_no_support(self):
        """Twenty symbols that move together on one date are one piece of evidence."""
        z = np.where(DATES[:, None] == 0, 9 * np.sign(MEAN[:, :1]), 0.0) * [[1, 1]]

        assert supported_share(MEAN, z, DATES, ONE_MARKET)[OTHER, 0] < 0.05

    def test_each_market_has_its_own(self):
        """What holds in Seoul says nothing of New York, nor few dates of anything."""
        market = np.where(np.arange(5000) % 2, KOREA, NEW_YORK)
        market[DATES < FEWEST_DATES - 1] = OTHER
        z = np.where(market[:, None] == NEW_YORK, NOISE - MEAN, NOISE + MEAN)

        share = supported_share(MEAN, z, DATES, market)

        assert share.shape == (NUM_MARKETS, 2)
        assert share[KOREA].min() > 0.9
        assert share[NEW_YORK].max() == 0
        assert share[OTHER].max() == 0


def test_quantiles_move_with_the_mean():
    """A quarter kept: the whole distribution moves by three quarters of its mean."""
    mean, quantiles = np.array([[0.04]]), np.array([[[-0.1, 0.0, 0.2]]])

    moved, others = keep_share(mean, quantiles, np.array([[0.25]]))

    np.testing.assert_allclose(moved, 0.01)
    np.testing.assert_allclose(others, [[[-0.13, -0.03, 0.17]]])


class TestModel:
    @pytest.mark.parametrize("head", ["student_t", "quantile", "point"])
    def test_no_mean_is_no_mean(self, bars, settings, rows, head):
        """With mean="zero" every forecast is centred, whatever the head."""
        zero = replace(settings, head=head, mean="zero", epochs=1)

        model = train_fleet(bars, [zero], *rows)[0]

        assert np.abs(model.forecast(bars, rows[1]).mean).max() < 1e-15

    @pytest.mark.parametrize("engine", ["native", "torch"])
    @pytest.mark.parametrize("loss", ["nll", "crps"])
    def test_a_mean_that_is_not_kept_is_not_learned(
        self, bars, settings, rows, engine, loss
    ):
        """With mean="zero" the Student-t's location stays as it was drawn."""
        zero = replace(settings, mean="zero", loss=loss, engine=engine, epochs=1)
        both = train_fleet(bars, [zero, replace(zero, mean="shrunk")], *rows)

        drawn = initial_weights(zero.network, zero.seed)["out.weight"]
        held, learned = (
            (one.weights["out.weight"] == drawn).all(axis=1).reshape(-1, 3)
            for one in both
        )
        assert held[:, 0].all()
        assert not held[:, 1:].any()
        assert not learned.any()

    def test_states_and_share_survive_a_folder(self, bars, settings, rows, tmp_path):
        """A model with states forecasts the same bits after save and load."""
        told = replace(settings, states="har,market", mean="shrunk", seeds=2, epochs=1)
        model = train_fleet(bars, [told], *rows)[0]

        again = load(save(model, tmp_path / "model"))

        before, after = (one.forecast(bars, rows[1]) for one in (model, again))
        assert before.quantiles.tobytes() == after.quantiles.tobytes()
        assert model.weights["hidden.weight"].shape[1] == told.hidden_size + 15

    @pytest.mark.parametrize(("name", "value"), [("mean", "some"), ("states", "x")])
    def test_another_word_is_refused(self, name, value):
        """The error names the words that exist."""
        with pytest.raises(SettingError, match=f"Expected {name} to be"):
            Settings.of({name: value})
