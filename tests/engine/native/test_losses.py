"""Each loss and its gradient, held against torch and against finite differences."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from closecast.engine.fleet import OptimizerConfig  # noqa: E402
from closecast.engine.native.engine import CENTRED, _loss  # noqa: E402
from closecast.engine.native.kernels import load_kernels  # noqa: E402
from closecast.forecast import LEVELS  # noqa: E402
from closecast.models.heads import (  # noqa: E402
    NUMPY,
    head_quantiles,
    params_per_step,
    student_t_parameters,
    student_t_quantiles,
)
from closecast.models.lstm import loss  # noqa: E402

KINDS = [
    ("point", "mse"),
    ("student_t", "nll"),
    ("student_t", "crps"),
    ("student_t", "centred_nll"),
    ("student_t", "centred_crps"),
    ("quantile", "crps"),
]
RAW = [(0.0, 0.0, 0.0), (0.5, -1.0, 2.0), (-2.0, 4.0, -6.0), (1.0, -7.0, 9.0)]
number = st.floats(-6, 6, width=32)
quick = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def kernel_loss(kernels, head, kind, raw, z):
    """Give a loss and its slopes by the kernels."""
    centred = kind.startswith(CENTRED)
    training = OptimizerConfig(loss=kind.removeprefix(CENTRED), centred=centred)
    name, table = _loss(head, training)
    return kernels.head_loss(name, table, np.asarray(raw, np.float32), z)


def exact(head, kind, raw, z):
    """Give the loss in double precision, and its slopes by autograd."""
    outputs = torch.tensor(np.asarray(raw, np.float64), requires_grad=True)
    value = loss(
        head,
        outputs[None, None],
        torch.tensor([[z]], dtype=torch.float64),
        kind.removeprefix(CENTRED),
        centred=kind.startswith(CENTRED),
    )
    value.backward()
    return float(value.detach()), outputs.grad.numpy()


def finite_differences(head, kind, raw, z, step=1e-6):
    """Give the slopes of the exact loss by central differences."""
    slopes = []
    for i in range(len(raw)):
        up, down = np.array(raw, np.float64), np.array(raw, np.float64)
        up[i] += step
        down[i] -= step
        rise = exact(head, kind, up, z)[0] - exact(head, kind, down, z)[0]
        slopes.append(rise / (2 * step))
    return np.array(slopes)


def nearest_quantile(head, raw, z):
    """Tell how far a target is from the next kink of the pinball loss."""
    outputs = np.asarray(raw, np.float64)
    if head == "quantile":
        return np.abs(head_quantiles(outputs) - z).min()
    location, scale, df = student_t_parameters(outputs)
    return np.abs(location + scale * student_t_quantiles(df) - z).min()


def assert_right(kernels, head, kind, raw, z):
    """Hold a loss and its slopes against the exact ones."""
    value, slopes = kernel_loss(kernels, head, kind, raw, z)
    exact_value, exact_slopes = exact(head, kind, raw, z)

    assert value == pytest.approx(exact_value, rel=2e-5, abs=2e-5)
    if kind.startswith(CENTRED):
        raw = (0.0, *raw[1:])
    if not kind.endswith("crps") or nearest_quantile(head, raw, z) > 1e-4:
        assert slopes == pytest.approx(exact_slopes, rel=2e-4, abs=2e-5)
        found = finite_differences(head, kind, raw, z)
        assert found == pytest.approx(exact_slopes, rel=2e-4, abs=2e-5)


def outputs_of(head, some):
    """Stretch a few numbers to as many as a head gives."""
    return np.resize(np.asarray(some, np.float32), params_per_step(head))


@pytest.mark.parametrize(("head", "kind"), KINDS)
@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("z", [-3.0, 0.01, 0.25, 20.0])
def test_losses_have_the_slopes_of_finite_differences(
    instruction_set, head, kind, raw, z
):
    """Ordinary and wild outputs alike."""
    kernels = load_kernels(instruction_set)

    assert_right(kernels, head, kind, outputs_of(head, raw), z)


@quick
@given(a=number, b=number, c=number, z=number)
def test_the_student_t_losses_are_right_everywhere(instruction_set, a, b, c, z):
    """No corner of the parameters has a wrong likelihood or a wrong CRPS."""
    kernels = load_kernels(instruction_set)

    for kind in ("nll", "crps", "centred_nll", "centred_crps"):
        assert_right(kernels, "student_t", kind, (a, b, c), z)


@quick
@given(seed=st.integers(0, 2**32 - 1), z=number)
def test_the_quantile_loss_is_right_everywhere(instruction_set, seed, z):
    """Every gap moves all quantiles beyond it, on both sides."""
    raw = np.random.default_rng(seed).normal(0, 2, len(LEVELS)).astype(np.float32)

    assert_right(load_kernels(instruction_set), "quantile", "crps", raw, z)


@pytest.mark.parametrize("output", [100.0, 1000.0, 1e6])
def test_many_degrees_of_freedom_are_a_normal_distribution(instruction_set, output):
    """The normalising constant keeps its digits where its parts cancel."""
    kernels, raw = load_kernels(instruction_set), (0.0, 0.0, output)

    value, _ = kernel_loss(kernels, "student_t", "nll", raw, 1.0)

    assert value == pytest.approx(exact("student_t", "nll", raw, 1.0)[0], rel=1e-5)
    assert np.isclose(value, 0.5 * np.log(2 * np.pi) + 0.5, atol=0.01)


@pytest.mark.parametrize(("head", "kind"), KINDS)
def test_a_loss_of_nan_stays_nan(instruction_set, head, kind):
    """A network that diverged is seen to have diverged."""
    kernels = load_kernels(instruction_set)
    calm = np.zeros(params_per_step(head))

    assert np.isnan(kernel_loss(kernels, head, kind, calm, float("nan"))[0])
    for place in range(len(calm)):
        raw = calm.copy()
        raw[place] = np.nan
        if place == 0 and kind.startswith(CENTRED):
            continue  # it is not read
        assert np.isnan(kernel_loss(kernels, head, kind, raw, 1.0)[0]), place


def test_a_table_of_another_loss_is_refused(instruction_set):
    """The kernels count the constants that they are given."""
    kernels = load_kernels(instruction_set)

    with pytest.raises(ValueError, match="table of the loss"):
        kernels.head_loss(
            "quantile_crps", np.zeros(3, np.float32), np.zeros(39, np.float32), 0.0
        )
    with pytest.raises(ValueError, match="Expected 39 outputs"):
        kernels.head_loss(
            "quantile_crps", np.zeros(19, np.float32), np.zeros(3, np.float32), 0.0
        )


def test_both_libraries_read_the_head_alike():
    """The reading of outputs is one formula, in numpy and in torch."""
    from closecast.models.lstm import TORCH

    raw = np.random.default_rng(1).normal(0, 2, (4, 3, len(LEVELS)))
    df = np.random.default_rng(2).uniform(2.1, 40, (4, 3))

    assert np.allclose(
        head_quantiles(raw, NUMPY), head_quantiles(torch.tensor(raw), TORCH), atol=1e-12
    )
    assert np.allclose(
        student_t_quantiles(df, NUMPY),
        student_t_quantiles(torch.tensor(df), TORCH),
        atol=1e-12,
    )
