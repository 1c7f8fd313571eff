"""``forecast`` and ``evaluate`` of a panel on disk: by shards, here or on workers."""

from pathlib import Path
from typing import TYPE_CHECKING

from closecast.cli.screen import file_progress, say, say_json
from closecast.cli.workers import workers_on
from closecast.errors import SettingError

if TYPE_CHECKING:
    from closecast.experiments.forecaster import Forecaster
    from closecast.forecast import Forecast
    from closecast.windows.on_disk import DiskPanel


def panel_on_disk(
    prices: str, place: str | None, address: str | None, own: Path | None
) -> "DiskPanel | None":
    """Open prices that are a panel on disk.

    Args:
        prices: What the command was given.
        place: What ``--on`` says.
        address: What ``--address`` says.
        own: What ``--own-columns`` says.

    Returns:
        The panel; None where the prices are to be read into memory.

    Raises:
        BarsError: The panel is damaged.
        SettingError: Prices in memory are to be spread over workers, or a panel has
            columns of its own.
    """
    from closecast.windows.on_disk import DiskPanel, is_panel

    if not is_panel(prices):
        if place is not None or address is not None:
            raise SettingError(
                f"Expected a panel on disk to spread over workers, got {prices}. "
                "Write one with closecast data pack, or leave --on and --address out."
            )
        return None
    if own is not None:
        raise SettingError(
            f"Expected no --own-columns with a panel on disk, got {own}. Give the "
            "files that the panel was packed from."
        )
    return DiskPanel.open(prices)


def forecast_shards(
    forecaster: "Forecaster",
    panel: "DiskPanel",
    place: str | None,
    address: str | None,
) -> "Forecast":
    """Forecast the next closes of a panel.

    Args:
        forecaster: A fitted forecaster.
        panel: The panel.
        place: What ``--on`` says.
        address: What ``--address`` says.

    Returns:
        One window a symbol.
    """
    from closecast.experiments.shards import forecast_panel

    with (
        workers_on(place, address) as workers,
        file_progress("forecasting") as on_shard,
    ):
        return forecast_panel(forecaster, panel, workers=workers, on_shard=on_shard)


def tell_shards(
    forecaster: "Forecaster",
    panel: "DiskPanel",
    place: str | None,
    address: str | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Score a panel and say what was found.

    Args:
        forecaster: A fitted forecaster.
        panel: The panel.
        place: What ``--on`` says.
        address: What ``--address`` says.
        out: What ``--out`` says: nothing, for a panel.
        as_json: Whether to say it as JSON.

    Raises:
        SettingError: A run folder is asked for.
    """
    from closecast.experiments.shards import score_panel

    if out is not None:
        raise SettingError(
            f"Expected no --out for a panel on disk, got {out}: its forecasts are too "
            "many to store. Use --json, or evaluate some of its files."
        )
    with workers_on(place, address) as workers, file_progress("scoring") as on_shard:
        scored = score_panel(forecaster, panel, workers=workers, on_shard=on_shard)
    if as_json:
        say_json(scored.to_dict())
        return
    say(scored.verdict)
    for sentence in scored.why:
        say(f"  {sentence}")
    say(f"Scored: {scored.num_windows:,} windows on {scored.num_dates:,} dates.")
