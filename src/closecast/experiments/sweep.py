"""A sweep: every combination of some settings, each with some seeds, and one winner.

Called again after it was killed, a sweep trains the members that are missing and ends
with the same bytes.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from closecast.errors import ModelError
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.grid import SEEDS, Grid
from closecast.experiments.index import Index
from closecast.experiments.members import (
    MEMBERS,
    MemberResult,
    SweepProgress,
    Value,
    Workshop,
)
from closecast.experiments.run import (
    config_with_hash,
    data_record,
    open_run,
    read_json,
)
from closecast.experiments.space import Space
from closecast.experiments.verify import SUMS, write_sums
from closecast.experiments.winner import FORMAT, SWEEP, Combination, Plan, conclude
from closecast.experiments.workers import IN_PROCESS, Workers
from closecast.market.broken import broken_steps
from closecast.market.panels import bars_of
from closecast.market.readers import frame_of
from closecast.training.checkpoint import versions
from closecast.windows import WindowSpec, split_by_date, walk_back


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """A sweep that is done.

    Attributes:
        search: How candidates were proposed; None for all combinations of a grid.
        axes: Values of each varied setting.
        members: What became of each member, in the order of the grid.
        combinations: The same by combination, the best first.
        winner: Name of the chosen member.
        forecaster: The chosen member, ready to forecast.
        trials: Models ever trained on these prices when the sweep ended.
        luck: What luck can explain of the winner, by CRPS and by squared error: chance,
            probability of backtest overfitting, SPA, StepM and the confidence set, on
            validation; empty where nothing was chosen from.
        verdict: What may be said of the winner, corrected for the trials.
        why: Sentences with the figures behind it.
        test_crps: CRPS of the winner on the test block, in units of volatility.
    """

    search: Mapping[str, Any] | None
    axes: Mapping[str, tuple[Value, ...]]
    members: tuple[MemberResult, ...]
    combinations: tuple[Combination, ...]
    winner: str
    forecaster: Forecaster
    trials: int
    luck: tuple[Mapping[str, Any], ...]
    verdict: str
    why: tuple[str, ...]
    test_crps: float

    def to_frame(self, kind: str = "pandas") -> Any:  # noqa: ANN401
        """Give the members as a dataframe.

        Args:
            kind: ``pandas``, ``polars`` or ``pyarrow``.

        Returns:
            One row a member: varied settings, seed and results.

        Raises:
            SettingError: There is no such kind.
        """
        rows = [{**one.values, **asdict(one)} for one in self.members]
        names = [name for name in rows[0] if name != "values"]
        return frame_of({name: [row[name] for row in rows] for name in names}, kind)


def sweep(  # noqa: PLR0913  each is a choice of its own
    prices: object,
    grid: Mapping[str, Any],
    *,
    seeds: int = SEEDS,
    folds: int = 1,
    out: str | Path | None = None,
    index: str | Path | None = None,
    yes: bool = False,
    source: str = "prices",
    on_progress: Callable[[SweepProgress], None] | None = None,
    workers: Workers = IN_PROCESS,
    **settings: object,
) -> Sweep:
    """Train every combination of some settings and judge the best one honestly.

    Called again with the same arguments after it was cut off, it goes on with the
    members that are missing.

    Args:
        prices: A frame, a path or a panel; see ``closecast.read_prices``.
        grid: A list of values for each setting to vary.
        seeds: Seeds of each combination.
        folds: Validation blocks, one before the other, that each combination is
            trained before and chosen on; the winner is judged on the one test block.
        out: Run folder to keep everything in; None keeps nothing on the disk.
        index: The index that counts trials; see ``closecast.experiments.index``.
        yes: Whether more than 10,000 members are meant.
        source: What the prices are called in the run.
        on_progress: Called after each epoch and each member.
        workers: Where members are trained; see ``closecast.experiments.workers``.
        **settings: Settings that all members share.

    Returns:
        All members, and the winner with its verdict.

    Raises:
        BarsError: The prices break a rule.
        SettingError: The grid or a setting cannot be used, or the index cannot.
        ModelError: The folder is of another run, or a file in it is damaged.
        WindowError: The prices are too short for the blocks.
        TrainingError: No combination was trained without divergence.
        LeakageError: A forecast of the winner could have seen its own answer.
    """
    varied = Grid.of(grid, seeds, settings, folds=folds, yes=yes)

    def train(work: Workshop, grid: Grid) -> Plan:
        tried = Plan(
            candidates=grid.members(work.splits), axes=grid.axes, seeds=grid.seeds
        )
        work.train(tried.candidates)
        return tried

    return carry_out(
        prices,
        varied,
        train,
        size=varied.size,
        folds=varied.folds,
        out=out,
        index=index,
        source=source,
        on_progress=on_progress,
        workers=workers,
    )


Varied = TypeVar("Varied", Grid, Space)


def carry_out(  # noqa: PLR0913  each is a choice of its own
    prices: object,
    varied: Varied,
    train: Callable[[Workshop, Varied], Plan],
    *,
    size: int,
    folds: int = 1,
    out: str | Path | None,
    index: str | Path | None,
    source: str,
    on_progress: Callable[[SweepProgress], None] | None,
    workers: Workers,
    search: Mapping[str, Any] | None = None,
) -> Sweep:
    """Open a run, train what is varied, and conclude; or read what is done already.

    Args:
        prices: A frame, a path or a panel.
        varied: What is varied, and what all members share.
        train: Trains members of what is varied, its dates set; says what it tried.
        size: Members that it trains at most.
        folds: As in ``sweep``.
        out: As in ``sweep``.
        index: As in ``sweep``.
        source: As in ``sweep``.
        on_progress: As in ``sweep``.
        workers: As in ``sweep``.
        search: How candidates are proposed; None for a grid.

    Returns:
        All members, and the winner with its verdict.
    """
    bars = bars_of(prices)
    base = varied.base
    # of the longest context, so that all members have the same windows
    spec = WindowSpec(context_length=varied.longest_context, horizon=base.horizon)
    broken = broken_steps(bars)
    split = split_by_date(bars, spec, base.validation_start, base.test_start, broken)
    splits = walk_back(bars, spec, split, folds, broken)
    varied = replace(
        varied,
        base=replace(
            base,
            validation_start=str(split.validation_start),
            test_start=str(split.test_start),
        ),
    )
    how = {} if search is None else {"search": dict(search)}
    config = config_with_hash({**varied.to_config(), **how, "versions": versions()})
    ledger = Index(index)
    with run_folder(out) as folder, open_run(folder, config, data_record(bars, source)):
        if out is not None:
            ledger.add_run(folder, config["hash"], bars.fingerprint, size)
        if not (folder / SWEEP).exists():
            work = Workshop(bars, splits, folder, ledger, on_progress, workers=workers)
            work.size = size
            tried = train(work, varied)
            conclude(work, tried, [work.done[one.name] for one in tried.candidates])
        if not (folder / SUMS).exists():  # after sweep.json, which they are of too
            write_sums(folder)
        return load_sweep(folder)


def load_sweep(folder: Path) -> Sweep:
    """Read a sweep that is done.

    Args:
        folder: Its run folder.

    Returns:
        What ``sweep`` returned.

    Raises:
        ModelError: A file is missing or damaged, or of another format.
    """
    document = read_json(folder / SWEEP)
    if document.get("format") != FORMAT:
        raise ModelError(
            f"Expected a sweep of format {FORMAT}, got {document.get('format')} "
            f"({folder / SWEEP}). Use the version of closecast that wrote it, or "
            "another folder."
        )
    winner = document["winner"]["name"]
    return Sweep(
        search=document["search"],
        axes={name: tuple(values) for name, values in document["axes"].items()},
        members=tuple(MemberResult(**one) for one in document["members"]),
        combinations=tuple(Combination(**one) for one in document["combinations"]),
        winner=winner,
        forecaster=Forecaster.load(folder / MEMBERS / winner),
        trials=document["trials"],
        luck=tuple(document["luck"]),
        verdict=document["verdict"],
        why=tuple(document["why"]),
        test_crps=document["winner"]["test_crps"],
    )


@contextmanager
def run_folder(out: str | Path | None) -> Iterator[Path]:
    """Open a folder for an experiment.

    Args:
        out: The folder that was asked for; None for one that is thrown away.

    Yields:
        The folder.
    """
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="closecast-sweep-") as folder:
        yield Path(folder)
