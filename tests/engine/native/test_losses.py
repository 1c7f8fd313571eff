"""Each loss and its gradient, held against torch and against finite differences."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from closecast.engine.native.kernels import load_kernels  # noqa: E402
from closecast.models.lstm import loss  # noqa: E402

RAW = [(0.0, 0.0, 0.0), (0.5, -1.0, 2.0), (-2.0, 4.0, -6.0), (1.0, -7.0, 9.0)]
number = st.floats(-6, 6, width=32)


def exact(head, raw, z):
    """Give the loss in double precision."""
    width = 3 if head == "student_t" else 1
    outputs = torch.tensor(raw[:width], dtype=torch.float64).view(1, 1, width)
    return float(loss(head, outputs, torch.tensor([[z]], dtype=torch.float64)))


def finite_differences(head, raw, z, step=1e-5):
    """Give the slopes of the exact loss by central differences."""
    slopes = []
    for i in range(3 if head == "student_t" else 1):
        up, down = list(raw), list(raw)
        up[i] += step
        down[i] -= step
        slopes.append((exact(head, up, z) - exact(head, down, z)) / (2 * step))
    return slopes


def assert_right(kernels, head, raw, z):
    """Hold a loss and its slopes against the exact ones."""
    value, *slopes = kernels.head_loss(head == "student_t", *raw, z)
    expected = finite_differences(head, raw, z)

    assert value == pytest.approx(exact(head, raw, z), rel=2e-5, abs=2e-5)
    assert slopes[: len(expected)] == pytest.approx(expected, rel=2e-4, abs=2e-5)


@pytest.mark.parametrize("head", ["point", "student_t"])
@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("z", [-3.0, 0.0, 0.25, 20.0])
def test_losses_have_the_slopes_of_finite_differences(instruction_set, head, raw, z):
    """Ordinary and wild outputs alike."""
    assert_right(load_kernels(instruction_set), head, raw, z)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=number, b=number, c=number, z=number)
def test_the_student_t_loss_is_right_everywhere(instruction_set, a, b, c, z):
    """No corner of the parameters has a wrong likelihood."""
    assert_right(load_kernels(instruction_set), "student_t", (a, b, c), z)


@pytest.mark.parametrize("output", [100.0, 1000.0, 1e6])
def test_many_degrees_of_freedom_are_a_normal_distribution(instruction_set, output):
    """The normalising constant keeps its digits where its parts cancel."""
    value, *_ = load_kernels(instruction_set).head_loss(True, 0.0, 0.0, output, 1.0)

    assert value == pytest.approx(exact("student_t", (0, 0, output), 1.0), rel=1e-5)
    assert np.isclose(value, 0.5 * np.log(2 * np.pi) + 0.5, atol=0.01)


def test_a_loss_of_nan_stays_nan(instruction_set):
    """A network that diverged is seen to have diverged."""
    kernels = load_kernels(instruction_set)

    assert np.isnan(kernels.head_loss(True, float("nan"), 0.0, 0.0, 1.0)[0])
    assert np.isnan(kernels.head_loss(True, 0.0, float("nan"), 0.0, 1.0)[0])
    assert np.isnan(kernels.head_loss(True, 0.0, 0.0, float("nan"), 1.0)[0])
    assert np.isnan(kernels.head_loss(False, float("nan"), 0.0, 0.0, 1.0)[0])
