"""The network keeps its promises about shapes, the batch, dropout and its switches."""

import numpy as np
import pytest
import scoringrules
import torch
from scipy import stats

from closecast.evaluation.scores import crps
from closecast.forecast import Forecast
from closecast.models.config import NetworkConfig, initial_weights
from closecast.models.heads import (
    distribution,
    params_per_step,
    student_t_parameters,
)
from closecast.models.lstm import StackedLSTM, loss


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small only lose by a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(**settings):
    """A network at its first weights, and a batch that it can read."""
    config = NetworkConfig(**settings)
    module = StackedLSTM(config)
    weights = initial_weights(config, seed=0)
    module.load_state_dict({n: torch.from_numpy(w) for n, w in weights.items()})
    noise = torch.Generator().manual_seed(0)
    context = 0.02 * torch.randn(8, 10, config.input_size, generator=noise)
    state = torch.randn(8, config.state_size, generator=noise)
    return module, (context, torch.full((8,), 0.02), state)


class TestStackedLSTM:
    def test_three_numbers_a_step(self):
        """Ten bars in, five closes out, each a Student-t of three numbers."""
        module, batch = network()

        assert module(*batch).shape == (8, 5, 3)

    def test_every_size_can_be_set(self):
        """Other features, state, horizon, units, layers and head give their shape."""
        module, batch = network(
            input_size=7,
            state_size=2,
            horizon=3,
            hidden_size=1,
            num_layers=1,
            head="point",
        )

        assert module(*batch).shape == (8, 3, 1)

    def test_a_vector_is_refused(self):
        """A single window must come with a batch axis."""
        module, (context, scale, state) = network()

        with pytest.raises(Exception, match="context"):
            module(context[0], scale, state)

    def test_windows_do_not_see_each_other(self):
        """At prediction a window's outputs are the same alone and in a batch."""
        module, batch = network(dropout=0.5)
        module.eval()

        alone = module(*(part[2:3] for part in batch))
        torch.testing.assert_close(module(*batch)[2:3], alone)

    def test_permuting_the_batch_permutes_the_outputs(self):
        """No window's outputs depend on its place."""
        module, batch = network()
        module.eval()
        order = torch.randperm(8, generator=torch.Generator().manual_seed(1))

        torch.testing.assert_close(
            module(*(part[order] for part in batch)), module(*batch)[order]
        )

    def test_prices_are_read_in_units_of_the_scale(self):
        """Prices and scale ten times as wild look the same; volume is not scaled."""
        module, (context, scale, state) = network()
        module.eval()
        wild = context.clone()
        wild[..., :4] *= 10
        busy = context.clone()
        busy[..., 4] *= 10

        base = module(context, scale, state)
        torch.testing.assert_close(module(wild, 10 * scale, state), base)
        assert (module(busy, scale, state) - base).abs().max() > 1e-4

    def test_the_state_reaches_the_head(self):
        """A feature known at the cutoff changes the outputs."""
        module, (context, scale, state) = network(state_size=2)
        module.eval()

        moved = module(context, scale, state + 1)
        assert (moved - module(context, scale, state)).abs().max() > 1e-3

    def test_dropout_is_off_in_prediction(self):
        """Two predictions are the same, two training passes are not."""
        module, batch = network(dropout=0.5)

        assert not torch.equal(module(*batch), module(*batch))
        module.eval()
        assert torch.equal(module(*batch), module(*batch))

    def test_dropout_acts_between_the_layers(self):
        """With the head's dropout off, two layers still differ and one layer not."""
        deep, batch = network(dropout=0.5, num_layers=2, batch_norm=False)
        flat, _ = network(dropout=0.5, num_layers=1, batch_norm=False)
        for module in (deep, flat):
            module.dropout.eval()

        assert not torch.equal(deep(*batch), deep(*batch))
        assert torch.equal(flat(*batch), flat(*batch))

    def test_dropout_acts_before_the_head(self):
        """With one layer the only dropout is the one of the head."""
        module, batch = network(dropout=0.5, num_layers=1, batch_norm=False)

        assert not torch.equal(module(*batch), module(*batch))

    def test_batch_norm_is_a_switch(self):
        """With it a training pass moves the running mean; without there is none."""
        module, batch = network(batch_norm=True)
        module(*batch)
        without, _ = network(batch_norm=False)

        assert module.norm.running_mean.abs().max() > 0
        assert isinstance(without.norm, torch.nn.Identity)

    def test_it_is_the_network_of_the_paper(self):
        """Gates written out by hand in numpy give the same outputs."""
        module, batch = network(num_layers=2, hidden_size=6, state_size=1)
        module.eval()
        w = {n: p.double().numpy() for n, p in module.state_dict().items()}
        context, scale, state = (part.double().numpy() for part in batch)
        sequence = context.copy()
        sequence[..., :4] /= scale[:, None, None]

        for layer in range(2):
            sequence = _layer_by_hand(sequence, w, layer)
        summary = sequence[:, -1]
        summary = (summary - w["norm.running_mean"]) / np.sqrt(
            w["norm.running_var"] + 1e-5
        )
        features = np.hstack([summary, state])
        hidden = np.maximum(features @ w["hidden.weight"].T + w["hidden.bias"], 0)
        expected = (hidden @ w["out.weight"].T + w["out.bias"]).reshape(8, 5, 3)
        np.testing.assert_allclose(
            module(*batch).detach().numpy(), expected, rtol=1e-4, atol=1e-5
        )


def _layer_by_hand(sequence, w, layer):
    """One LSTM layer over a sequence, gate by gate."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    N, T, _ = sequence.shape
    D = w[f"lstm.weight_hh_l{layer}"].shape[1]
    h, c, outputs = np.zeros((N, D)), np.zeros((N, D)), []
    for t in range(T):
        gates = (
            sequence[:, t] @ w[f"lstm.weight_ih_l{layer}"].T
            + h @ w[f"lstm.weight_hh_l{layer}"].T
            + w[f"lstm.bias_ih_l{layer}"]
            + w[f"lstm.bias_hh_l{layer}"]
        )
        i, f, g, o = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


class TestLoss:
    def test_student_t_is_the_likelihood_of_scipy(self):
        """The mean negative log density at the targets."""
        rng = np.random.default_rng(0)
        raw, z = rng.normal(size=(9, 5, 3)), rng.normal(size=(9, 5)) * 3
        location, scale, df = student_t_parameters(raw)

        found = loss("student_t", torch.from_numpy(raw), torch.from_numpy(z))

        expected = -stats.t.logpdf(z, df, location, scale).mean()
        assert float(found) == pytest.approx(expected, rel=1e-10)

    def test_point_is_the_mean_squared_error(self):
        """The mean square over windows and steps."""
        raw, z = torch.zeros(2, 3, 1), torch.full((2, 3), 2.0)

        assert float(loss("point", raw, z)) == 4.0

    @pytest.mark.parametrize("head", ["student_t", "quantile"])
    def test_crps_is_the_one_of_the_scoreboard(self, head):
        """Training makes small what the judge measures."""
        rng = np.random.default_rng(0)
        raw = rng.normal(size=(9, 5, params_per_step(head)))
        z = rng.normal(size=(9, 5)) * 3
        mean, quantiles = distribution(head, raw, np.ones((9, 5)))
        dates = np.full(9, "2020-01-01", "datetime64[D]")
        forecast = Forecast(
            symbols=np.full(9, "A"),
            cutoffs=dates,
            target_dates=np.repeat(dates[:, None], 5, axis=1),
            last_close=np.ones(9),
            mean=mean,
            quantiles=quantiles,
        )

        found = loss(head, torch.from_numpy(raw), torch.from_numpy(z), "crps")

        assert float(found) == pytest.approx(crps(forecast, z).mean(), rel=1e-10)

    @pytest.mark.parametrize("kind", ["nll", "crps"])
    def test_a_centred_loss_is_that_of_a_location_of_zero(self, kind):
        """Whatever the output says, and nothing is learned of it."""
        rng = np.random.default_rng(1)
        raw, z = (
            torch.tensor(rng.normal(size=(9, 2, 3))),
            torch.tensor(rng.normal(size=(9, 2))),
        )
        held = raw * torch.tensor([0.0, 1.0, 1.0])
        raw.requires_grad_()

        found = loss("student_t", raw, z, kind, centred=True)

        found.backward()
        assert float(found.detach()) == float(loss("student_t", held, z, kind))
        assert float(found.detach()) != float(loss("student_t", raw.detach(), z, kind))
        assert (raw.grad[..., 0] == 0).all()
        assert (raw.grad[..., 1:] != 0).all()

    def test_crps_of_a_student_t_is_nearly_the_closed_form(self):
        """Over 39 levels it is the exact one times a constant, 40/39 or less."""
        rng = np.random.default_rng(0)
        raw = np.broadcast_to([0.3, -0.2, 1.0], (20_000, 1, 3)).copy()
        location, scale, df = student_t_parameters(raw)
        z = location + scale * rng.standard_t(df)

        found = loss("student_t", torch.from_numpy(raw), torch.from_numpy(z), "crps")

        exact = scoringrules.crps_t(z, df, location, scale).mean()
        assert float(found) / exact == pytest.approx(1.024, abs=0.004)
