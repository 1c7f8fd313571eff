"""The interface of engines: checked configs, and batches that drop no window."""

import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closecast.engine.fleet import Member, OptimizerConfig, batches, require_fit
from closecast.errors import SettingError, TrainingError
from closecast.models.config import NetworkConfig
from closecast.testing import random_walk
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec


@pytest.fixture
def untyped():
    """Let a value of a wrong type through, as it comes from a user's file."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("untyped")
class TestOptimizerConfig:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("optimizer", "lion"),
            ("learning_rate", 0.0),
            ("learning_rate", float("inf")),
            ("weight_decay", -1e-9),
            ("loss", "mae"),
            ("schedule", "sawtooth"),
            ("warmup", 1.0),
            ("clip_norm", -1.0),
            ("momentum", 1.0),
            ("batch_size", 0),
            ("epochs", 0),
            ("early_stopping", "yes"),
            ("patience", 0),
            ("seed", -1),
            ("seed", 2**32),
            ("precision", "float16"),
        ],
    )
    def test_a_value_out_of_its_range_is_refused(self, name, value):
        """Each setting has a range, and the message names setting and value."""
        with pytest.raises(
            SettingError, match=rf"Expected {name} to be .* got {value!r}"
        ):
            OptimizerConfig(**{name: value})

    def test_one_cycle_warms_up_by_itself(self):
        """Two warm-ups on one another are refused."""
        with pytest.raises(SettingError, match=r"no warmup with schedule one_cycle"):
            OptimizerConfig(schedule="one_cycle", warmup=0.1)

    def test_momentum_belongs_to_sgd(self):
        """A momentum that would do nothing is refused."""
        with pytest.raises(SettingError, match=r"sgd only, got 0\.9 with adam"):
            OptimizerConfig(momentum=0.9)


class TestMember:
    @pytest.mark.parametrize(("train", "validation"), [(0, 5), (5, 0)])
    def test_no_window_is_refused(self, train, validation):
        """A member needs windows to train and to validate on."""
        with pytest.raises(
            TrainingError, match=rf"got {train} and {validation} \(member tiny"
        ):
            Member(
                name="tiny",
                network=NetworkConfig(),
                optimizer=OptimizerConfig(),
                train=np.arange(train),
                validation=np.arange(validation),
            )

    @pytest.mark.parametrize(("batch_size", "train"), [(1, 50), (128, 1)])
    def test_batch_norm_needs_two(self, batch_size, train):
        """One window has no variance to normalise by."""
        with pytest.raises(TrainingError, match="at least 2 windows with batch_norm"):
            Member(
                name="alone",
                network=NetworkConfig(),
                optimizer=OptimizerConfig(batch_size=batch_size),
                train=np.arange(train),
                validation=np.arange(3),
            )

    def test_a_loss_of_another_head_is_refused(self):
        """A network is trained by a loss that its outputs have."""
        with pytest.raises(SettingError, match=r"with head point, got 'nll'"):
            Member(
                name="odd",
                network=NetworkConfig(head="point"),
                optimizer=OptimizerConfig(loss="nll"),
                train=np.arange(9),
                validation=np.arange(3),
            )

    @pytest.mark.parametrize("head", ["point", "quantile"])
    def test_only_a_student_t_is_centred(self, head):
        """Other heads have no location to hold."""
        with pytest.raises(SettingError, match=rf"student_t only, got head {head}"):
            Member(
                name="odd",
                network=NetworkConfig(head=head),
                optimizer=OptimizerConfig(centred=True),
                train=np.arange(9),
                validation=np.arange(3),
            )


class TestBatches:
    @given(
        num_rows=st.integers(0, 400),
        batch_size=st.integers(1, 150),
        seed=st.integers(0, 2**32 - 1),
        epoch=st.integers(1, 1000),
    )
    def test_no_window_is_dropped(self, num_rows, batch_size, seed, epoch):
        """Every window is in one batch once, and only batches of one size are short."""
        rows = np.arange(num_rows) * 3 + 7

        found = batches(rows, batch_size, seed, epoch)

        together = np.concatenate([np.empty(0, int), *found])
        assert sorted(together) == rows.tolist()
        assert all(len(batch) == batch_size for batch in found[:-1])
        if batch_size > 1 and num_rows > 1:
            assert all(2 <= len(batch) <= batch_size + 1 for batch in found)

    def test_seed_and_epoch_decide_the_order(self):
        """Same seed and epoch, same order; another of either, another order."""
        rows = np.arange(100)
        first, again, epoch, seed = (
            np.concatenate(batches(rows, 16, seed, epoch))
            for seed, epoch in [(0, 1), (0, 1), (0, 2), (1, 1)]
        )

        assert np.array_equal(first, again)
        assert not np.array_equal(first, epoch)
        assert not np.array_equal(first, seed)
        assert not np.array_equal(first, rows)


class TestRequireFit:
    def test_a_network_for_other_data_is_refused(self):
        """Features, state and horizon must be those of the data."""
        data = WindowData.of(random_walk(1, 60), WindowSpec(horizon=3))

        with pytest.raises(SettingError, match=r"\(5, 0, 3\), got \(6, 0, 3\)"):
            require_fit(data, NetworkConfig(input_size=6, horizon=3))
