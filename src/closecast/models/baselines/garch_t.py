"""GARCH(1,1) and GJR with a Student-t: the econometrician's baselines.

Parameters are fitted on the training block alone, symbol by symbol; the variance is
then filtered forward over all bars. A symbol that is too short for a fit takes the
median of the others' parameters with a variance level of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.market.bars import Bars
from closecast.models.baselines.garch_fit import Reaction, fit_reaction
from closecast.models.baselines.location_scale import (
    last_seen,
)
from closecast.models.baselines.student_t import StudentT
from closecast.models.baselines.tails import (
    fit_tails,
    training_targets,
)
from closecast.windows.scaling import MIN_VOLATILITY, volatility
from closecast.windows.spec import WindowSpec

MIN_RETURNS = 250
"""Of fewer returns, a year, no likelihood tells persistence from level."""

MAX_RETURNS = 2500
"""The newest training returns that a symbol is fitted to, ten years."""

LEVEL_HALF_LIFE = 60
"""Sessions after which a return counts half in the level of a symbol that was not
fitted: a coin's first weeks would stay in an average of all returns for years."""

TEXTBOOK = Reaction(shock=0.06, fall=0.0, memory=0.92)
TEXTBOOK_GJR = Reaction(shock=0.03, fall=0.06, memory=0.92)
"""What daily stocks usually show, where no symbol is long enough to be fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchT(StudentT):
    """Mean 0, GARCH variance summed over the steps, Student-t.

    The tails of each step are fitted to the training windows of all symbols, since a
    sum of Student-t returns is none.

    Attributes:
        reactions: Symbol, level of the variance and reaction of those fitted.
        pooled: Reaction of every other symbol; its level is the square of its slow
            volatility.

    Source: Bollerslev (1987), A conditionally heteroskedastic time series model,
    doi:10.2307/1925546; Glosten, Jagannathan and Runkle (1993),
    doi:10.1111/j.1540-6261.1993.tb05128.x.
    """

    reactions: tuple[tuple[str, float, Reaction], ...]
    pooled: Reaction
    name: str = "garch_t"

    def expected(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect the filtered variance, on its way back to its level."""
        return _deviations(
            bars, cutoffs, len(self.factors), self.reactions, self.pooled
        )


def fit_garch_t(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
    *,
    falls: bool = False,
) -> GarchT:
    """Fit the reaction of every symbol that is long enough, and pooled tails.

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
    fitted = []
    for place in np.flatnonzero(newest - bars.offsets[:-1] >= MIN_RETURNS):
        start = max(int(bars.offsets[place]), int(newest[place]) - MAX_RETURNS)
        returns = np.diff(np.log(bars.close[start : newest[place] + 1]))
        found = _fit_returns(returns, falls=falls)
        if found is not None:
            fitted.append((bars.symbols[place], *found))
    return tuple(fitted)


def _fit_returns(
    returns: Float[np.ndarray, " session"], *, falls: bool
) -> tuple[float, Reaction] | None:
    # None where prices stand still.
    deviation = float(np.sqrt(np.mean(returns**2)))
    if deviation < MIN_VOLATILITY or np.mean(returns == 0) > 0.5:  # noqa: PLR2004
        return None
    # rounded, so that another currency's rounding leads to the same optimum
    level, reaction = fit_reaction(np.round(returns / deviation, 9), falls=falls)
    return max(level * deviation**2, MIN_VOLATILITY**2), reaction


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
    levels = volatility(bars, LEVEL_HALF_LIFE) ** 2
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
