"""The shape of a network is checked, and its first weights follow torch's law."""

import math
from dataclasses import FrozenInstanceError

import jaxtyping
import numpy as np
import pytest

from closecast.errors import SettingError
from closecast.models.config import NetworkConfig, initial_weights, weight_shapes


@pytest.fixture
def untyped():
    """Let a value of a wrong type through, as it comes from a user's file."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("untyped")
class TestNetworkConfig:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("input_size", 0),
            ("state_size", -1),
            ("horizon", 0),
            ("hidden_size", 0),
            ("hidden_size", 2.5),
            ("hidden_size", True),
            ("num_layers", 65),
            ("dropout", 1.0),
            ("dropout", -0.1),
            ("dropout", math.nan),
            ("dropout", "a lot"),
            ("batch_norm", 1),
            ("head", "oracle"),
            ("head", None),
        ],
    )
    def test_a_value_out_of_its_range_is_refused(self, name, value):
        """Each setting has a range, and the message names setting and value."""
        with pytest.raises(
            SettingError, match=f"Expected {name} to be .* got {value!r}"
        ):
            NetworkConfig(**{name: value})

    def test_it_cannot_change(self):
        """A shape, once made, is a value."""
        with pytest.raises(FrozenInstanceError, match="hidden_size"):
            NetworkConfig().hidden_size = 3


class TestInitialWeights:
    CONFIG = NetworkConfig(state_size=3, horizon=4, hidden_size=7, num_layers=3)

    def test_the_names_and_shapes_are_listed(self):
        """What is drawn is what ``weight_shapes`` says, in float32."""
        weights = initial_weights(self.CONFIG, seed=1)

        assert {n: w.shape for n, w in weights.items()} == weight_shapes(self.CONFIG)
        assert {w.dtype for w in weights.values()} == {np.dtype(np.float32)}
        assert weights["hidden.weight"].shape == (3, 10)
        assert weights["out.weight"].shape == (12, 3)

    def test_without_batch_norm_there_is_no_norm(self):
        """The switch takes the four arrays of the normalisation away."""
        without = NetworkConfig(batch_norm=False)

        names = set(weight_shapes(NetworkConfig())) - set(weight_shapes(without))
        assert names == {f"norm.{n}" for n in ("weight", "bias")} | {
            f"norm.running_{n}" for n in ("mean", "var")
        }

    def test_a_layer_fills_its_bounds(self):
        """Uniform in +-1/sqrt(hidden_size): variance 1/(3D), nothing outside."""
        config = NetworkConfig(hidden_size=64)
        weight = initial_weights(config, seed=2)["lstm.weight_hh_l0"]

        assert np.abs(weight).max() <= 1 / 8
        assert weight.var() == pytest.approx(1 / (3 * 64), rel=0.03)
        assert abs(weight.mean()) < 0.002

    def test_the_seed_decides(self):
        """Same seed, same bytes; another seed, other weights."""
        first, again, other = (
            initial_weights(self.CONFIG, seed)["out.weight"] for seed in (3, 3, 4)
        )

        assert first.tobytes() == again.tobytes()
        assert not np.array_equal(first, other)
