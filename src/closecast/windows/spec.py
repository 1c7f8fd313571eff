"""How long a window is, and how many a series holds."""

from dataclasses import dataclass

from closecast.errors import WindowError


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSpec:
    """The shape of a window.

    Attributes:
        context_length: Bars that the model reads (``x_frames`` in the slides).
        horizon: Closes that it forecasts (``y_frames`` in the slides).
    """

    context_length: int = 10
    horizon: int = 5

    def __post_init__(self) -> None:
        if self.context_length < 1 or self.horizon < 1:
            raise WindowError(
                "Expected a context_length and a horizon of at least 1 bar, got "
                f"{self.context_length} and {self.horizon}. Use longer ones."
            )

    @property
    def length(self) -> int:
        """Bars of a whole window, context and target."""
        return self.context_length + self.horizon

    def count(self, num_bars: int) -> int:
        """Count the windows in a series.

        Args:
            num_bars: Length of the series, in bars.

        Returns:
            ``num_bars - (context_length + horizon) + 1``, one for each start.

        Raises:
            WindowError: The series is shorter than one window.
        """
        if num_bars < self.length:
            raise WindowError(
                f"Expected at least {self.length} bars (context_length="
                f"{self.context_length} + horizon={self.horizon}), got {num_bars}. "
                "Use a longer series or a shorter window."
            )
        return num_bars - self.length + 1
