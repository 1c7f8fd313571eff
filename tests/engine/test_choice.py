"""The engine is the one that was asked for."""

import pytest

from closecast.engine import choose_engine
from closecast.engine.native import is_built
from closecast.errors import SettingError


def test_auto_is_the_reference():
    """Figures do not depend on whether a compiler was there."""
    assert choose_engine("auto").name == "torch"


@pytest.mark.skipif(not is_built(), reason="the kernels were not built")
def test_the_native_engine_is_taken_by_name():
    """Asked for, it serves."""
    assert choose_engine("native").name == "native"


def test_the_native_engine_refuses_another_device():
    """The kernels run on a CPU."""
    with pytest.raises(SettingError, match="device cpu with the native engine"):
        choose_engine("native", "cuda")
