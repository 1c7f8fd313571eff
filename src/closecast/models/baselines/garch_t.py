"""GARCH(1,1) and GJR with a Student-t: the econometrician's baselines.

Parameters are fitted on the training block alone, symbol by symbol; the variance is
then filtered forward over all bars. Fitting is what costs: of a large panel
``MAX_FITTED`` symbols are fitted, and the others take the median of their parameters
with a variance level of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import (
    expanding_moments,
    last_seen,
    location_scale_forecast,
)
from closecast.models.baselines.tails import (
    fit_tails,
    student_t_shape,
    training_targets,
)
from closecast.windows.scaling import MIN_VOLATILITY
from closecast.windows.spec import WindowSpec

MIN_RETURNS = 250
"""Of fewer returns, a year, no likelihood tells persistence from level."""

MAX_RETURNS = 2500
"""The newest training returns that a symbol is fitted to, ten years."""

MAX_FITTED = 100
"""Symbols fitted one by one; some 30 ms each."""

MAX_PERSISTENCE = 0.999
"""Above it a variance does not come back within a lifetime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """How a variance answers to a return.

    The variance of a session is ``level * (1 - persistence) + (shock + fall * [r < 0])
    * r**2 + memory * last``, with the last session's return r and variance.

    Attributes:
        shock: Weight of the last squared return, alpha.
        fall: Its further weight after a fall, gamma; 0 in a GARCH.
        memory: Weight of the last variance, beta.
    """

    shock: float
    fall: float
    memory: float

    @property
    def persistence(self) -> float:
        """Share of a variance's distance from its level that is left a session on."""
        return min(self.shock + self.fall / 2 + self.memory, MAX_PERSISTENCE)


TEXTBOOK = Reaction(shock=0.06, fall=0.0, memory=0.92)
TEXTBOOK_GJR = Reaction(shock=0.03, fall=0.06, memory=0.92)
"""What daily stocks usually show, where no symbol is long enough to be fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchT:
    """Mean 0, GARCH variance summed over the steps, Student-t.

    The tails of each step are fitted to the training windows of all symbols, since a
    sum of Student-t returns is none.

    Attributes:
        reactions: Symbol, level of the variance and reaction of those fitted.
        pooled: Reaction of every other symbol; its level is the mean square of its
            returns so far.
        degrees_of_freedom: Of the Student-t, one for each step.
        factors: Spread of each step in units of the filtered standard deviation.
        first_date: First bar fitted to, ISO.
        last_date: Last bar fitted to, ISO.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.

    Source: Bollerslev (1987), A conditionally heteroskedastic time series model,
    doi:10.2307/1925546; Glosten, Jagannathan and Runkle (1993),
    doi:10.1111/j.1540-6261.1993.tb05128.x.
    """

    reactions: tuple[tuple[str, float, Reaction], ...]
    pooled: Reaction
    degrees_of_freedom: tuple[float, ...]
    factors: tuple[float, ...]
    first_date: str
    last_date: str
    calendar: str = "auto"
    name: str = "garch_t"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast a spread around the last close at each cutoff.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        deviation = _deviations(
            bars, cutoffs, len(self.factors), self.reactions, self.pooled
        )
        spread = deviation * np.asarray(self.factors)
        shape = student_t_shape(self.degrees_of_freedom)
        return location_scale_forecast(
            bars, cutoffs, self.calendar, np.zeros_like(spread), spread, shape
        )


def fit_garch_t(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
    *,
    falls: bool = False,
) -> GarchT:
    """Fit reactions by arch's likelihood, and pooled tails.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        calendar: Which sessions target dates are taken from.
        falls: Whether falls count more, which is GJR.

    Returns:
        The baseline with its fitted constants.

    Raises:
        TrainingError: There are too few windows.
        WindowError: The target of a training window is not in the panel.
    """
    name = "gjr_t" if falls else "garch_t"
    cutoffs, targets = training_targets(bars, train_cutoffs, spec, name)
    reactions = _fit_symbols(bars, train_cutoffs + spec.horizon, falls=falls)
    pooled = _median(
        [reaction for _, _, reaction in reactions],
        TEXTBOOK_GJR if falls else TEXTBOOK,
    )
    deviation = _deviations(bars, cutoffs, spec.horizon, reactions, pooled)
    dfs, factors = fit_tails(targets / deviation)
    first, last = last_seen(bars, train_cutoffs, spec)
    return GarchT(
        reactions=reactions,
        pooled=pooled,
        degrees_of_freedom=dfs,
        factors=factors,
        first_date=first,
        last_date=last,
        calendar=calendar,
        name=name,
    )


def _fit_symbols(
    bars: Bars, seen: Int[np.ndarray, " window"], *, falls: bool
) -> tuple[tuple[str, float, Reaction], ...]:
    # The newest row seen of each symbol; -1 for a symbol without training windows.
    newest = np.full(len(bars.symbols), -1)
    np.maximum.at(newest, bars.symbol_ids[seen], seen)
    long = np.flatnonzero(newest - bars.offsets[:-1] >= MIN_RETURNS)
    if len(long) > MAX_FITTED:
        long = long[np.linspace(0, len(long) - 1, MAX_FITTED).astype(int)]
    fitted = []
    for place in long:
        start = max(int(bars.offsets[place]), int(newest[place]) - MAX_RETURNS)
        returns = np.diff(np.log(bars.close[start : newest[place] + 1]))
        found = _fit_returns(returns, falls=falls)
        if found is not None:
            fitted.append((bars.symbols[place], *found))
    return tuple(fitted)


def _fit_returns(
    returns: Float[np.ndarray, " session"], *, falls: bool
) -> tuple[float, Reaction] | None:
    # None where prices stand still or the likelihood has no maximum.
    from arch import arch_model

    deviation = float(np.sqrt(np.mean(returns**2)))
    if deviation < MIN_VOLATILITY or np.mean(returns == 0) > 0.5:  # noqa: PLR2004
        return None
    model = arch_model(
        # rounded, so that another currency's rounding leads to the same optimum
        np.round(returns / deviation, 9),
        mean="Zero",
        vol="GARCH",
        p=1,
        o=int(falls),
        q=1,
        dist="t",
        rescale=False,
    )
    result = model.fit(disp="off", show_warning=False)
    found = dict(result.params)
    if result.convergence_flag != 0 or not np.all(np.isfinite(list(found.values()))):
        return None
    reaction = Reaction(
        shock=float(found["alpha[1]"]),
        fall=float(found.get("gamma[1]", 0.0)),
        memory=float(found["beta[1]"]),
    )
    level = float(found["omega"]) / (1 - reaction.persistence) * deviation**2
    return max(level, MIN_VOLATILITY**2), reaction


def _median(reactions: Sequence[Reaction], otherwise: Reaction) -> Reaction:
    if not reactions:
        return otherwise
    table = np.array([(one.shock, one.fall, one.memory) for one in reactions])
    shock, fall, memory = np.median(table, axis=0).tolist()
    return Reaction(shock=shock, fall=fall, memory=memory)


def _deviations(
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    horizon: int,
    reactions: Sequence[tuple[str, float, Reaction]],
    pooled: Reaction,
) -> Float[np.ndarray, "window horizon"]:
    # Standard deviation of the return over h sessions, as known at each cutoff.
    known = {symbol: (level, reaction) for symbol, level, reaction in reactions}
    levels = expanding_moments(bars)[1] ** 2
    ahead = np.empty(len(bars))
    persistence = np.empty(len(bars.symbols))
    for place, (symbol, start, end) in enumerate(bars):
        level, reaction = known.get(symbol, (None, pooled))
        if level is not None:
            levels[start:end] = level
        persistence[place] = reaction.persistence
        ahead[start:end] = _filter(bars.close[start:end], levels[start:end], reaction)
    level, variance = levels[cutoffs], ahead[cutoffs]
    keeps = persistence[bars.symbol_ids[cutoffs]]
    total, sums = np.zeros(len(cutoffs)), []
    for _ in range(horizon):
        total = total + variance
        sums.append(total)
        variance = level + keeps * (variance - level)
    return np.asarray(np.sqrt(np.maximum(np.stack(sums, axis=-1), MIN_VOLATILITY**2)))


def _filter(
    close: Float[np.ndarray, " session"],
    level: Float[np.ndarray, " session"],
    reaction: Reaction,
) -> Float[np.ndarray, " session"]:
    # Variance of the next session, known at each close.
    from scipy.signal import lfilter

    returns = np.diff(np.log(close), prepend=np.log(close[0]))
    weight = reaction.shock + reaction.fall * (returns < 0)
    news = level * (1 - reaction.persistence) + weight * returns**2
    news[0] = level[0]  # before the first return the variance is its level
    return np.asarray(lfilter([1.0], [1.0, -reaction.memory], news))
