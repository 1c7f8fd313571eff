"""While tests run, an array of another shape or dtype than claimed is an error."""

import jaxtyping
import numpy as np
import pytest

from closecast.errors import WindowError
from closecast.windows.scaling import gather_contexts
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=2, horizon=1)


def test_a_wrong_shape_is_seen():
    """A table without its feature axis does not pass for a table."""
    with pytest.raises(jaxtyping.TypeCheckError, match="table"):
        gather_contexts(np.zeros(10), np.array([4]), SPEC)


def test_a_wrong_dtype_is_seen():
    """Cutoffs are rows: a float is no row."""
    with pytest.raises(jaxtyping.TypeCheckError, match="cutoffs"):
        gather_contexts(np.zeros((10, 5)), np.array([4.0]), SPEC)


def test_our_own_errors_come_through():
    """What a user may get wrong is refused by our own sentence."""
    with pytest.raises(WindowError, match="at least 1 bar"):
        WindowSpec(context_length=0)
