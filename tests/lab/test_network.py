import pytest
import torch
from torch import nn

from closecast.errors import SettingError
from closecast.lab import LSTM


def by_hand(network: LSTM, X: torch.Tensor) -> torch.Tensor:
    """Run the layers of the slides one by one, with the network's weights."""
    inner = network.network
    lstm = nn.LSTM(5, 8, 2)
    lstm.load_state_dict(inner.lstm.state_dict())
    output, _ = lstm(X)
    last = output[-1]
    if isinstance(inner.norm, nn.BatchNorm1d):
        last = (last - inner.norm.running_mean) / torch.sqrt(
            inner.norm.running_var + inner.norm.eps
        )
    hidden = torch.relu(last @ inner.hidden.weight.T + inner.hidden.bias)
    return hidden @ inner.out.weight.T + inner.out.bias


@pytest.mark.parametrize("use_bn", [True, False])
def test_it_is_the_network_of_the_slides(use_bn: bool):
    """LSTM, last hidden state, batch norm, linear, ReLU, linear."""
    torch.manual_seed(0)
    network = LSTM(5, 8, 3, 2, dropout=0.4, use_bn=use_bn).eval()
    X = torch.randn(10, 6, 5)

    assert network(X).shape == (6, 3)
    torch.testing.assert_close(network(X), by_hand(network, X))


def test_dropout_is_for_training_alone():
    """A network that drops units says something else each time, until eval()."""
    torch.manual_seed(0)
    network, X = LSTM(5, 8, 3, 2, dropout=0.5), torch.randn(10, 6, 5)

    assert not torch.equal(network(X), network(X))
    network.eval()
    assert torch.equal(network(X), network(X))


def test_a_hidden_state_starts_from_zeros():
    """The lecture's line at the head of each batch works and changes nothing."""
    network = LSTM(5, 8, 3, 2, batch_size=6)
    before = network(torch.ones(10, 6, 5))
    network.hidden = [state.to("cpu") for state in network.init_hidden()]

    assert [state.shape for state in network.init_hidden()] == [(2, 6, 8)] * 2
    assert network.init_hidden(4)[0].shape == (2, 4, 8)
    assert torch.equal(network(torch.ones(10, 6, 5)), before)
    assert network(torch.ones(10, 4, 5)).shape == (4, 3)
    assert network.hidden is None


def test_a_state_that_is_carried_over_is_refused():
    """Windows are apart: another window's state must not be read."""
    network = LSTM(5, 8, 3, 2)
    with pytest.raises(SettingError, match="hidden state of zeros, got another"):
        network.hidden = (torch.ones(2, 6, 8), torch.zeros(2, 6, 8))
    with pytest.raises(SettingError, match="a batch_size for init_hidden, got None"):
        network.init_hidden()
