"""Windows are counted as the slides count them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closecast.errors import WindowError
from closecast.windows.spec import WindowSpec


class TestCount:
    @given(
        context=st.integers(1, 60), horizon=st.integers(1, 30), bars=st.integers(0, 300)
    )
    def test_agrees_with_counting_starts(self, context, horizon, bars):
        """The formula gives as many windows as there are possible starts."""
        spec = WindowSpec(context_length=context, horizon=horizon)
        starts = [s for s in range(bars) if s + context + horizon <= bars]

        if starts:
            assert spec.count(bars) == len(starts)
        else:
            with pytest.raises(WindowError, match=f"got {bars}"):
                spec.count(bars)

    def test_the_slides_example(self):
        """Bars 1..10 with three read and one forecast hold seven windows."""
        assert WindowSpec(context_length=3, horizon=1).count(10) == 7

    def test_as_many_bars_as_a_window_hold_one(self):
        """One bar fewer holds none."""
        assert WindowSpec(context_length=3, horizon=1).count(4) == 1

    def test_a_window_has_at_least_one_bar_on_each_side(self):
        """No context or no horizon is refused."""
        with pytest.raises(WindowError, match="at least 1 bar, got 0 and 5"):
            WindowSpec(context_length=0)
