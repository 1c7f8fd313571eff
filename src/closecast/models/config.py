"""The shape of the network, and the weights that it starts from.

Nothing here knows a tensor library: every engine starts from these arrays and
gives arrays of the same names back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from closecast.errors import SettingError
from closecast.models.heads import HEADS, params_per_step

Weights = dict[str, Float32[np.ndarray, "..."]]
"""Arrays by their name in torch, ``lstm.weight_ih_l0`` and so on."""

MAX_SEED = 2**32 - 1


def require_whole(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is not a whole number of a range.

    Args:
        name: Name of the setting.
        value: What was given.
        low: Least value allowed.
        high: Greatest value allowed.

    Raises:
        SettingError: It is not one.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not low <= value <= high:  # type: ignore[operator]
        raise SettingError(
            f"Expected {name} to be a whole number from {low} to {high}, got {value!r}."
        )


def require_number(
    name: str, value: object, low: float, high: float, *, open_ends: str = ""
) -> None:
    """Refuse what is not a finite number of a range.

    Args:
        name: Name of the setting.
        value: What was given.
        low: Lower end of the range.
        high: Upper end of the range.
        open_ends: ``"low"``, ``"high"`` or both words: ends that do not belong.

    Raises:
        SettingError: It is not one.
    """
    left, right = (
        "(" if "low" in open_ends else "[",
        ")" if "high" in open_ends else "]",
    )
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    inside = (
        number
        and (low < value if left == "(" else low <= value)  # type: ignore[operator]
        and (value < high if right == ")" else value <= high)  # type: ignore[operator]
    )
    if not inside:
        raise SettingError(
            f"Expected {name} to be a number in {left}{low:g}, {high:g}{right}, "
            f"got {value!r}."
        )


def require_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse what is not one of some words.

    Args:
        name: Name of the setting.
        value: What was given.
        choices: The words.

    Raises:
        SettingError: It is none of them.
    """
    if value not in choices:
        raise SettingError(
            f"Expected {name} to be one of {', '.join(choices)}, got {value!r}."
        )


def require_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false.

    Args:
        name: Name of the setting.
        value: What was given.

    Raises:
        SettingError: It is neither.
    """
    if not isinstance(value, bool):
        raise SettingError(f"Expected {name} to be true or false, got {value!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The shape of a stacked LSTM with its head.

    Attributes:
        input_size: Features of a bar; the first four are prices.
        state_size: Features known at the cutoff that go to the head; may be 0.
        horizon: Steps forecast.
        hidden_size: Units of a layer.
        num_layers: LSTM layers on top of each other.
        dropout: Chance that a unit is dropped in training, between layers and
            before the head.
        batch_norm: Whether the last hidden state is normalised over the batch.
        head: What the outputs mean: ``"student_t"``, ``"quantile"`` or ``"point"``.
    """

    input_size: int = 5
    state_size: int = 0
    horizon: int = 5
    hidden_size: int = 50
    num_layers: int = 2
    dropout: float = 0.1
    batch_norm: bool = True
    head: str = "student_t"

    def __post_init__(self) -> None:
        require_whole("input_size", self.input_size, 1, 4096)
        require_whole("state_size", self.state_size, 0, 4096)
        require_whole("horizon", self.horizon, 1, 1000)
        require_whole("hidden_size", self.hidden_size, 1, 4096)
        require_whole("num_layers", self.num_layers, 1, 64)
        require_number("dropout", self.dropout, 0.0, 1.0, open_ends="high")
        require_flag("batch_norm", self.batch_norm)
        require_choice("head", self.head, HEADS)

    @property
    def params_per_step(self) -> int:
        """Numbers that the head gives for each step."""
        return params_per_step(self.head)

    @property
    def head_size(self) -> int:
        """Units of the head's hidden layer."""
        return max(1, self.hidden_size // 2)


def weight_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """List the arrays of a network.

    Args:
        config: Its shape.

    Returns:
        Shape of each array by its name in torch.
    """
    D, head = config.hidden_size, config.head_size
    outputs = config.horizon * config.params_per_step
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(config.num_layers):
        inputs = config.input_size if layer == 0 else D
        shapes[f"lstm.weight_ih_l{layer}"] = (4 * D, inputs)
        shapes[f"lstm.weight_hh_l{layer}"] = (4 * D, D)
        shapes[f"lstm.bias_ih_l{layer}"] = (4 * D,)
        shapes[f"lstm.bias_hh_l{layer}"] = (4 * D,)
    if config.batch_norm:
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"norm.{name}"] = (D,)
    shapes["hidden.weight"] = (head, D + config.state_size)
    shapes["hidden.bias"] = (head,)
    shapes["out.weight"] = (outputs, head)
    shapes["out.bias"] = (outputs,)
    return shapes


def initial_weights(config: NetworkConfig, seed: int) -> Weights:
    """Draw the weights that training starts from.

    The LSTM's are uniform in +-1/sqrt(hidden_size), a linear layer's in
    +-1/sqrt(its inputs), as in torch; batch normalisation starts as the identity.

    Args:
        config: Shape of the network.
        seed: Same seed, same weights, on every engine.

    Returns:
        Arrays by name, float32.
    """
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    fan_in = {
        "lstm": config.hidden_size,
        "hidden": config.hidden_size + config.state_size,
        "out": config.head_size,
    }
    weights: Weights = {}
    for name, shape in weight_shapes(config).items():
        layer, kind = name.split(".")
        if layer == "norm":
            value = float(kind in {"weight", "running_var"})
            weights[name] = np.full(shape, value, np.float32)
        else:
            bound = 1 / math.sqrt(fan_in[layer])
            weights[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return weights
