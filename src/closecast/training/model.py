"""A trained model: weights with the settings and the record of what they saw.

A model of several seeds is one network and its siblings; together they forecast the
mixture of their distributions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from closecast.engine import choose_engine
from closecast.engine.fleet import (
    Checkpoints,
    Engine,
    LearningCurve,
    Member,
    Progress,
    TrainedMember,
)
from closecast.errors import TrainingError, WindowError
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.market.calendar import target_sessions
from closecast.models.config import Weights
from closecast.models.heads import distribution
from closecast.training.ensemble import mixture_quantiles
from closecast.training.settings import Settings
from closecast.training.shrinkage import keep_share, supported_share
from closecast.training.width import MAX_WINDOWS, stretched, supported_stretch
from closecast.windows.peers import NUM_MARKETS, markets
from closecast.windows.scaling import WindowData
from closecast.windows.states import with_states

MIXED_AT_ONCE = 1024
"""Windows of an ensemble that are mixed at a time, to bound the memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedModel:
    """A trained model.

    Attributes:
        settings: What it was trained with.
        weights: Its weights, by name.
        curve: Losses of its training.
        residual_scale: Standard deviation of the point head's validation errors at
            each step, in units of the window; None for other heads.
        trained_on: Record of the data: ``fingerprint``, ``symbols``,
            ``first_date`` and ``last_date`` of the bars that training saw, targets
            included, ``validation_last_date``, ``train_windows``,
            ``validation_windows``; and the ``engine`` that trained.
        mean_share: Share of its mean that a model keeps in each market at each step;
            None keeps all.
        stretch: Factor of the distances of quantiles from the mean in each market at
            each step; None leaves them.
        siblings: The networks of further seeds, each a model of its own.
    """

    settings: Settings
    weights: Weights
    curve: LearningCurve
    residual_scale: Float[np.ndarray, " horizon"] | None
    trained_on: dict[str, Any]
    mean_share: Float[np.ndarray, "market horizon"] | None = None
    stretch: Float[np.ndarray, "market horizon"] | None = None
    siblings: tuple["TrainedModel", ...] = ()

    @property
    def members(self) -> tuple["TrainedModel", ...]:
        """The networks one by one, each as a model without siblings."""
        if not self.siblings:
            return (self,)
        first = replace(self.settings, seeds=1)
        return (replace(self, settings=first, siblings=()), *self.siblings)

    @property
    def name(self) -> str:
        """What tables call it."""
        return "closecast"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast the closes after each cutoff from the bars up to it.

        Args:
            bars: The panel; bars after a cutoff do not matter to its forecast.
            cutoffs: Rows of the last known bars, each with a whole context.

        Returns:
            One window for each cutoff, in the same order.

        Raises:
            WindowError: A cutoff has no whole context.
        """
        settings = self.settings
        _require_windows(bars, cutoffs, settings.context_length, 0)
        mean, quantiles = self._distribution(bars, cutoffs)
        return Forecast(
            symbols=bars.names(cutoffs),
            cutoffs=bars.dates[cutoffs],
            target_dates=target_sessions(
                bars, cutoffs, settings.horizon, settings.calendar
            ),
            last_close=bars.close[cutoffs],
            mean=mean,
            quantiles=quantiles,
        )

    def _distribution(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> tuple[
        Float[np.ndarray, "window horizon"],
        Float[np.ndarray, "window horizon quantile"],
    ]:
        settings = self.settings
        data = tables_of(bars, settings)
        outputs = self.outputs(data, cutoffs)
        unit = data.unit(cutoffs)
        market = markets(bars)[cutoffs]
        if not self.siblings:
            return self._alone(outputs[0], unit, market)
        chunks = [
            self._mixed([raw[part] for raw in outputs], unit[part], market[part])
            for at in range(0, max(len(cutoffs), 1), MIXED_AT_ONCE)
            for part in (slice(at, at + MIXED_AT_ONCE),)
        ]
        means, quantiles = zip(*chunks, strict=True)
        return np.concatenate(means), np.concatenate(quantiles)

    def outputs(
        self, data: WindowData, cutoffs: Int[np.ndarray, " window"]
    ) -> list[np.ndarray]:
        """Run the networks.

        Args:
            data: Windows, with the states that the networks read.
            cutoffs: Rows of the last known bars.

        Returns:
            What the last layer of each network gives, shape (window, horizon, param).
        """
        settings = self.settings
        engine = choose_engine(settings.engine, settings.device)
        return [
            engine.outputs(data, settings.network, member.weights, cutoffs)
            for member in (self, *self.siblings)
        ]

    def _alone(
        self,
        outputs: np.ndarray,
        unit: Float[np.ndarray, "window horizon"],
        market: Int[np.ndarray, " window"],
    ) -> tuple[
        Float[np.ndarray, "window horizon"],
        Float[np.ndarray, "window horizon quantile"],
    ]:
        # this network by itself, without its siblings
        mean, quantiles = distribution(
            self.settings.head, outputs, unit, self.residual_scale
        )
        if self.mean_share is not None:
            mean, quantiles = keep_share(mean, quantiles, self.mean_share[market])
        if self.stretch is not None:
            quantiles = stretched(mean, quantiles, self.stretch[market])
        return mean, quantiles

    def _mixed(
        self,
        outputs: list[np.ndarray],
        unit: Float[np.ndarray, "window horizon"],
        market: Int[np.ndarray, " window"],
    ) -> tuple[
        Float[np.ndarray, "window horizon"],
        Float[np.ndarray, "window horizon quantile"],
    ]:
        parts = [
            member._alone(raw, unit, market)
            for member, raw in zip((self, *self.siblings), outputs, strict=True)
        ]
        means, quantiles = (np.stack(arrays) for arrays in zip(*parts, strict=True))
        return np.asarray(means.mean(axis=0)), mixture_quantiles(quantiles)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """One model to train, and the windows that it is trained on.

    Attributes:
        name: What messages call it.
        settings: Its settings.
        train: Cutoffs to train on, each with a whole window.
        validation: Cutoffs to stop and to measure the spread on.
    """

    name: str
    settings: Settings
    train: Int[np.ndarray, " train"]
    validation: Int[np.ndarray, " validation"]

    @property
    def networks(self) -> list[str]:
        """Name of the network of each seed."""
        if self.settings.seeds == 1:
            return [self.name]
        return [f"{self.name}, seed {one.seed}" for one in by_seed(self.settings)]


def train_fleet(
    bars: Bars,
    settings_list: Sequence[Settings],
    train_rows: Int[np.ndarray, " train"],
    validation_rows: Int[np.ndarray, " validation"],
    on_epoch: Callable[[Progress], None] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> list[TrainedModel]:
    """Train one model for each of some settings, over the same windows.

    Args:
        bars: The panel.
        settings_list: Settings of the models.
        train_rows: Cutoffs to train on, each with a whole window.
        validation_rows: Cutoffs to stop and to measure the spread on.
        on_epoch: Called after each epoch of each model.
        names: What messages call the models; "model 1" and so on if None.

    Returns:
        The models, in the order of their settings.

    Raises:
        SettingError: The engine or the device is not there.
        TrainingError: There is no window, a batch is larger than the data, or a
            training diverged.
        WindowError: A cutoff has no whole window.
    """
    if names is None:
        names = [f"model {number + 1}" for number in range(len(settings_list))]
    jobs = [
        Job(name=name, settings=settings, train=train_rows, validation=validation_rows)
        for name, settings in zip(names, settings_list, strict=True)
    ]
    return train_jobs(bars, jobs, on_epoch)


def train_jobs(
    bars: Bars,
    jobs: Sequence[Job],
    on_epoch: Callable[[Progress], None] | None = None,
) -> list[TrainedModel]:
    """Train models, each over its own windows, as one fleet where settings agree.

    Args:
        bars: The panel.
        jobs: What to train; one with several seeds is as many networks.
        on_epoch: Called after each epoch of each network.

    Returns:
        The models, in the order of the jobs.

    Raises:
        SettingError: The engine or the device is not there.
        TrainingError: There is no window, a batch is larger than the data, or a
            training diverged.
        WindowError: A cutoff has no whole window.
    """
    models = []
    for outcome in train_each(bars, jobs, on_epoch):
        if isinstance(outcome, TrainingError):
            raise outcome
        models.append(outcome)
    return models


def train_each(
    bars: Bars,
    jobs: Sequence[Job],
    on_epoch: Callable[[Progress], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> list[TrainedModel | TrainingError]:
    """Train models as ``train_jobs`` does, and go on where one diverges.

    Args:
        bars: The panel.
        jobs: What to train; one with several seeds is as many networks.
        on_epoch: Called after each epoch of each network.
        checkpoints: Where networks begin, rest and are saved, by ``Job.networks``.

    Returns:
        What came of each job: its model, or the error of its first network whose
        loss was no longer finite.

    Raises:
        SettingError: The engine or the device is not there.
        TrainingError: There is no window, or a batch is larger than the data.
        WindowError: A cutoff has no whole window.
    """
    members = [
        (place, settings, _member(bars, job, settings, name))
        for place, job in enumerate(jobs)
        for settings, name in zip(by_seed(job.settings), job.networks, strict=True)
    ]
    networks: list[list[TrainedModel | TrainingError]] = [[] for _ in jobs]
    for together in _same_data([settings for _, settings, _ in members]):
        settings = members[together[0]][1]
        data = tables_of(bars, settings)
        engine = choose_engine(settings.engine, settings.device)
        fleet = [members[number] for number in together]
        trained = engine.train(
            data, [member for _, _, member in fleet], on_epoch, checkpoints
        )
        for (place, own, _), result in zip(fleet, trained, strict=True):
            networks[place].append(
                _model(bars, own, engine, data, result)
                if isinstance(result, TrainedMember)
                else result
            )
    return [
        ensemble(job.settings, own) for job, own in zip(jobs, networks, strict=True)
    ]


def tables_of(bars: Bars, settings: Settings) -> WindowData:
    """Prepare a panel as models of some settings read it.

    Args:
        bars: The panel.
        settings: The settings.

    Returns:
        Its tables.

    Raises:
        SettingError: A column that the settings name is not beside the bars.
    """
    return with_states(
        bars, settings.window_spec, settings.states, settings.own_columns
    )


def by_seed(settings: Settings) -> list[Settings]:
    """List the settings of each network of a model.

    Args:
        settings: Settings of the model, of one seed or several.

    Returns:
        Settings of one seed each.
    """
    seeds = range(settings.seed, settings.seed + settings.seeds)
    return [replace(settings, seed=seed, seeds=1) for seed in seeds]


def ensemble(
    settings: Settings, networks: list[TrainedModel | TrainingError]
) -> TrainedModel | TrainingError:
    """Put the networks of a model together.

    Args:
        settings: Settings of the model.
        networks: What came of each seed.

    Returns:
        The model, or why one of its networks was retired.
    """
    models = []
    for network in networks:
        if isinstance(network, TrainingError):
            return network
        models.append(network)
    return replace(models[0], settings=settings, siblings=tuple(models[1:]))


def _same_data(settings_list: Sequence[Settings]) -> list[list[int]]:
    # places of the settings that share windows and an engine
    groups: dict[object, list[int]] = {}
    for place, settings in enumerate(settings_list):
        key = (
            settings.window_spec,
            settings.states,
            settings.own_columns,
            settings.engine,
            settings.device,
        )
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _member(bars: Bars, job: Job, settings: Settings, name: str) -> Member:
    for rows in (job.train, job.validation):
        _require_windows(bars, rows, settings.context_length, settings.horizon)
    member = Member(
        name=name,
        network=settings.network,
        optimizer=settings.optimizer_config,
        train=job.train,
        validation=job.validation,
    )
    if settings.batch_size > len(job.train):
        raise TrainingError(
            f"Expected batch_size to be at most the {len(job.train)} training windows, "
            f"got {settings.batch_size} ({member.name}). Lower batch_size or use a "
            "longer series."
        )
    return member


def _model(
    bars: Bars,
    settings: Settings,
    engine: Engine,
    data: WindowData,
    trained: TrainedMember,
) -> TrainedModel:
    member = trained.member
    residual_scale = mean_share = None
    if settings.mean != "free" or settings.head == "point":
        mean = learned_mean(engine, data, settings, trained)
        z = data.target(member.validation) / data.unit(member.validation)
        market = markets(bars)[member.validation]
        dates = bars.dates[member.validation]
        if settings.mean == "shrunk":
            mean_share = supported_share(mean, z, dates, market)
        elif settings.mean == "zero":
            mean_share = np.zeros((NUM_MARKETS, settings.horizon))
        if mean_share is not None:
            mean = mean_share[market] * mean
        if settings.head == "point":
            residual_scale = np.sqrt(np.mean((z - mean) ** 2, axis=0))
    model = TrainedModel(
        settings=settings,
        weights=trained.weights,
        curve=trained.curve,
        residual_scale=residual_scale,
        mean_share=mean_share,
        trained_on={
            **record_of(bars, member.train, member.validation, settings.horizon),
            "engine": engine.name,
        },
    )
    if settings.width == "free":
        return model
    return replace(model, stretch=_fitted_stretch(model, bars, engine, data, member))


def _fitted_stretch(
    model: TrainedModel, bars: Bars, engine: Engine, data: WindowData, member: Member
) -> Float[np.ndarray, "market horizon"]:
    every = np.concatenate([member.train, member.validation])
    places = np.linspace(0, len(every) - 1, min(len(every), MAX_WINDOWS)).astype(int)
    rows = every[places]
    raw = engine.outputs(data, member.network, model.weights, rows)
    unit, market = np.ones((len(rows), member.network.horizon)), markets(bars)[rows]
    mean, quantiles = model._alone(raw, unit, market)
    z = data.target(rows) / data.unit(rows)
    return supported_stretch(mean, quantiles, z, bars.dates[rows], market)


def learned_mean(
    engine: Engine, data: WindowData, settings: Settings, trained: TrainedMember
) -> Float[np.ndarray, "window horizon"]:
    """Say what a network expects in its validation windows.

    Args:
        engine: What trained it.
        data: The tables that it was trained on.
        settings: Its settings.
        trained: The network.

    Returns:
        Its mean in units of the window.
    """
    rows = trained.member.validation
    network = trained.member.network
    raw = engine.outputs(data, network, trained.weights, rows)
    ones = np.ones(settings.horizon)
    unit = np.ones((len(rows), settings.horizon))
    return distribution(settings.head, raw, unit, ones)[0]


def record_of(
    bars: Bars,
    train: Int[np.ndarray, " train"],
    validation: Int[np.ndarray, " validation"],
    horizon: int,
) -> dict[str, Any]:
    """Record which bars a training saw.

    Args:
        bars: The panel.
        train: Cutoffs trained on.
        validation: Cutoffs stopped on.
        horizon: Closes that are forecast.

    Returns:
        What ``TrainedModel.trained_on`` holds, but for the engine.
    """
    return {
        "fingerprint": bars.fingerprint,
        "symbols": len(np.unique(bars.symbol_ids[train])),
        # the scale of a window goes back to its symbol's first bar
        "first_date": str(bars.dates[bars.starts[train]].min()),
        "last_date": str(bars.dates[train + horizon].max()),
        "validation_last_date": str(bars.dates[validation + horizon].max()),
        "train_windows": len(train),
        "validation_windows": len(validation),
    }


def _require_windows(
    bars: Bars, rows: Int[np.ndarray, " window"], context_length: int, horizon: int
) -> None:
    # a window that leaves its symbol would read another one's bars
    outside = rows[(rows < 0) | (rows >= len(bars))]
    if len(outside):
        raise WindowError(
            f"Expected cutoffs in rows 0 to {len(bars) - 1} of the panel, got "
            f"{outside[0]}. Take cutoffs from closecast.windows.index."
        )
    behind, ahead = rows - bars.starts[rows] + 1, bars.ends[rows] - rows - 1
    short = np.flatnonzero((behind < context_length) | (ahead < horizon))
    if len(short):
        first = short[0]
        row = int(rows[first])
        raise WindowError(
            f"Expected {context_length} bars up to a cutoff and {horizon} after it, "
            f"got {behind[first]} and {ahead[first]} (symbol {bars.symbol_of(row)}, "
            f"{bars.dates[row]}). Take cutoffs from closecast.windows.index."
        )
