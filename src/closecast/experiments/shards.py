"""A panel on disk in shards: symbols forecast and scored a part at a time, anywhere.

A model that looks at one symbol at a time says the same of it in any company. So a
panel of any size is cut into shards of symbols, each a task of its own: a worker maps
the panel's files, reads its symbols, and sends back what came of them. Shards are the
same wherever they are worked on, and put together in their order: so is the result.

What needs all symbols at once is refused: the state of a market, and intervals that are
stretched by what all symbols missed.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from closecast.engine.fleet import Progress
from closecast.errors import (
    BarsError,
    ClosecastWarning,
    SettingError,
    TrainingError,
    WindowError,
)
from closecast.evaluation.parts import PanelScore, PartScore, score_parts
from closecast.experiments.defects import suspect_sentence, suspects, tell_short
from closecast.experiments.evidence import as_stored
from closecast.experiments.fitted import fitted_on
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.workers import IN_PROCESS, Workers
from closecast.forecast import Forecast, concatenated
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.models.baselines import fit_baselines
from closecast.training.settings import OWN_COLUMNS, Settings
from closecast.windows import WindowData, last_cutoffs, split_by_date
from closecast.windows.index import short_symbols
from closecast.windows.leakage import require_no_leak, scaler_audit
from closecast.windows.on_disk import DiskPanel, symbol_digests
from closecast.windows.scaling import volatility
from closecast.windows.states import state_groups

SYMBOLS = 128
"""Symbols of a shard: some seconds of work, and less than a gigabyte of memory."""

OnShard = Callable[[int, int], None]
"""Told after each shard how many are done, and of how many."""

Shared = tuple[Forecaster, DiskPanel]
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardForecast:
    """Forecasts of a shard.

    Attributes:
        forecast: One window a symbol; None where none is long enough.
        short: Symbols that are not.
        suspect: Places where a forecast reads a suspected defect.
        digests: What was read, by symbol.
    """

    forecast: Forecast | None
    short: tuple[str, ...]
    suspect: tuple[str, ...]
    digests: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardScore:
    """Scores of a shard.

    Attributes:
        part: What it adds; None where its symbols have not every block.
        why: Why there is none.
        digests: What was read, by symbol.
    """

    part: PartScore | None
    why: str
    digests: Mapping[str, bytes]


def forecast_panel(
    forecaster: Forecaster,
    panel: DiskPanel,
    *,
    workers: Workers = IN_PROCESS,
    on_shard: OnShard | None = None,
) -> Forecast:
    """Forecast the next closes of every symbol of a panel on disk.

    Args:
        forecaster: A fitted forecaster.
        panel: The panel; workers on other machines find it at the same path.
        workers: Where shards are worked on; see ``closecast.experiments.workers``.
        on_shard: Told how many shards are done.

    Returns:
        One window a symbol, in the order of their names.

    Raises:
        SettingError: The model looks at all symbols at once.
        BarsError: A worker finds no panel, or another one than this.
        WindowError: No symbol has a context.
    """
    shards = _over(forecast_shard, forecaster, panel, workers, on_shard)
    made = [shard.forecast for shard in shards if shard.forecast is not None]
    context = forecaster.spec.context_length
    if not made:
        raise WindowError(
            f"Expected at least {context} bars of a symbol for a context, got fewer of "
            f"each of {len(panel.symbols)} ({panel.folder}). Pack longer series."
        )
    forecast = concatenated(made)
    short = [name for shard in shards for name in shard.short]
    suspect = [place for shard in shards for place in shard.suspect]
    tell_short(short, len(panel.symbols), context, "the forecast")
    _tell(suspect_sentence(suspect, len(forecast), forecaster.spec))
    return forecast


def score_panel(
    forecaster: Forecaster,
    panel: DiskPanel,
    *,
    workers: Workers = IN_PROCESS,
    on_shard: OnShard | None = None,
) -> PanelScore:
    """Score a model beside baselines in the test block of every symbol of a panel.

    The baselines are fitted shard by shard, to the training block of its symbols:
    GARCH to each symbol as ever, the others to 128 symbols rather than to all.

    Args:
        forecaster: A fitted forecaster.
        panel: The panel that it was trained on; workers on other machines find it at
            the same path.
        workers: Where shards are worked on; see ``closecast.experiments.workers``.
        on_shard: Told how many shards are done.

    Returns:
        Scores over all windows, and the verdict.

    Raises:
        SettingError: The model looks at all symbols at once.
        BarsError: A worker finds no panel, or another one than this.
        WindowError: No shard has windows in every block.
        LeakageError: Something fitted has seen a bar of a later block.
    """
    shards = _over(score_shard, forecaster, panel, workers, on_shard)
    parts = [shard.part for shard in shards if shard.part is not None]
    left_out = [shard.why for shard in shards if shard.part is None]
    if not parts:
        raise WindowError(left_out[0])
    if left_out:
        _tell(f"{len(left_out)} of {len(shards)} shards are not scored: {left_out[0]}")
    return score_parts(parts)


def forecast_shard(
    shared: Shared, names: Names, _on_epoch: Callable[[Progress], None] | None
) -> ShardForecast:
    """Forecast the next closes of some symbols.

    Args:
        shared: The forecaster and the panel.
        names: Symbols of the shard.

    Returns:
        Their forecasts, and what is to be told of them.
    """
    forecaster, panel = shared
    bars, spec = _read(panel, names), forecaster.spec
    short = tuple(short_symbols(bars, spec.context_length))
    digests = symbol_digests(bars)
    if len(short) == len(names):
        return ShardForecast(forecast=None, short=short, suspect=(), digests=digests)
    rows = last_cutoffs(bars, spec)
    return ShardForecast(
        forecast=forecaster.voice.forecast(bars, rows),
        short=short,
        suspect=suspects(bars, rows, spec),
        digests=digests,
    )


def score_shard(
    shared: Shared, names: Names, _on_epoch: Callable[[Progress], None] | None
) -> ShardScore:
    """Score the test block of some symbols.

    Args:
        shared: The forecaster and the panel.
        names: Symbols of the shard.

    Returns:
        What they add to the scores of the panel.
    """
    forecaster, panel = shared
    bars = _read(panel, names)
    try:
        part, why = _part(forecaster, bars), ""
    except (WindowError, TrainingError) as error:  # young symbols; it is told
        part, why = None, str(error)
    return ShardScore(part=part, why=why, digests=symbol_digests(bars))


def _part(forecaster: Forecaster, bars: Bars) -> PartScore:
    settings, spec = forecaster.settings, forecaster.spec
    dates = (settings.validation_start, settings.test_start)
    split = split_by_date(bars, spec, *dates, broken=broken_steps(bars))
    baselines = fit_baselines(bars, split.train, spec, settings.calendar)
    fitted = fitted_on([forecaster.model, *baselines])
    require_no_leak([scaler_audit(fitted, str(split.validation_start))])
    return PartScore.of(
        (
            (one.name, as_stored(one.forecast(bars, split.test)))
            for one in (forecaster.voice, *baselines)
        ),
        WindowData.of(bars, spec).target(split.test),
        volatility(bars)[split.test],
    )


Shard = TypeVar("Shard", ShardForecast, ShardScore)


def _over(
    work: Callable[[Shared, Names, Callable[[Progress], None] | None], Shard],
    forecaster: Forecaster,
    panel: DiskPanel,
    workers: Workers,
    on_shard: OnShard | None,
) -> list[Shard]:
    # every shard, in order; each as it was written
    require_alone(forecaster.settings)
    names = sorted(panel.symbols)
    tasks = [tuple(names[at : at + SYMBOLS]) for at in range(0, len(names), SYMBOLS)]
    shared = (forecaster, replace(panel, folder=panel.folder.resolve()))
    done: dict[int, Shard] = {}
    for place, shard in workers.run(work, shared, tasks):
        done[place] = shard
        if on_shard is not None:
            on_shard(len(done), len(tasks))
    shards = [done[place] for place in range(len(tasks))]
    panel.require_digests(
        {name: one for shard in shards for name, one in shard.digests.items()}
    )
    return shards


def _tell(sentence: str) -> None:
    if sentence:
        warnings.warn(sentence, ClosecastWarning, stacklevel=3)


def require_alone(settings: Settings) -> None:
    """Refuse a model that looks at all symbols at once, or at columns beside the bars.

    Args:
        settings: Its settings.

    Raises:
        SettingError: It does.
    """
    names = ("calibrate", "blend", *OWN_COLUMNS)
    apart = {name: getattr(settings, name) for name in names}
    wrong = {name: value for name, value in apart.items() if value != "none"}
    if "market" in state_groups(settings.states):
        wrong["states"] = settings.states
    for name, value in wrong.items():
        raise SettingError(
            f"Expected a model that looks at the bars of one symbol at a time over a "
            f"panel on disk, got {name} {value}. Give the files that the panel was "
            "packed from, or train without it."
        )


def _read(panel: DiskPanel, names: Names) -> Bars:
    try:
        return panel.bars(names)
    except (OSError, ValueError) as error:
        if isinstance(error, BarsError):
            raise
        raise BarsError(
            f"Expected the panel at the same path on every node, got none that can be "
            f"read ({panel.folder}: {error}). Put it on storage that all nodes mount."
        ) from error
