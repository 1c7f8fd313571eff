"""Fit one GARCH or GJR with a Student-t by maximum likelihood, in milliseconds.

arch gives the same maximum many times slower, and is the oracle of the tests: a panel
of a thousand symbols that is refit in each fold needs a likelihood with its gradient.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

MAX_PERSISTENCE = 0.999
"""Above it a variance does not come back within a lifetime."""

MAX_STEPS = 100
"""Of the search; some 15 are usual."""

HALVINGS = 12
"""Of a step that does not make the likelihood larger."""

ENOUGH = 1e-5
"""Gain in log likelihood that a further step must promise."""

BACKCAST_DECAY, BACKCAST_RETURNS = 0.94, 75
"""Weights of the first squared returns, whose mean stands before them, as in arch."""

LOGIT_BOUND, LEVEL_BOUND, TAIL_BOUNDS = 15.0, 12.0, (-3.0, 6.0)
"""Of a logit of a share, of the log of the level, and of the log of the degrees of
freedom above 2: beyond them the likelihood is flat."""

LONGEST_STEP = 3.0
"""Of a parameter at once."""


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


def fit_reaction(
    returns: Float[np.ndarray, " session"], *, falls: bool
) -> tuple[float, Reaction]:
    """Find the most likely reaction of a series of returns.

    Args:
        returns: Log returns over their own deviation, oldest first.
        falls: Whether falls count more, which is GJR.

    Returns:
        Level of the variance, in units of the squared deviation, and the reaction.
        Where returns do not cluster, memory can be anything, and the search ends
        somewhere on that ridge.

    Source: Bollerslev (1987), doi:10.2307/1925546; the search is that of Berndt, Hall,
    Hall and Hausman (1974), Estimation and inference in nonlinear structural models.
    """
    series = _Series.of(returns, falls=falls)
    place = series.start()
    now = series.at(place)
    for _ in range(MAX_STEPS):
        step = now.step()
        if step @ now.slope < ENOUGH:
            break
        for halving in range(HALVINGS):
            then = series.at(place + step / 2**halving)
            if then.likelihood > now.likelihood:
                break
        else:  # nothing along the step is better: this is as good as it gets
            break
        place, now = then.place, then
    return now.found(falls=falls)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Point:
    """The likelihood at one place, its slope, and the scores of each session."""

    place: Float[np.ndarray, " parameter"]
    weights: Float[np.ndarray, " weight"]
    constant: float
    likelihood: float
    scores: Float[np.ndarray, "parameter session"]

    @property
    def slope(self) -> Float[np.ndarray, " parameter"]:
        """Of the log likelihood."""
        return np.asarray(self.scores.sum(axis=1))

    def found(self, *, falls: bool) -> tuple[float, Reaction]:
        """Level and reaction of this place."""
        *news, memory = self.weights.tolist()
        shock, fall = news[0], 0.0
        if falls:  # in the mean over rises and falls each weighs half
            shock, fall = 2 * news[0], 2 * (news[1] - news[0])
        reaction = Reaction(shock=shock, fall=fall, memory=memory)
        return self.constant / (1 - reaction.persistence), reaction

    def step(self) -> Float[np.ndarray, " parameter"]:
        """Newton's step, with the products of scores for the curvature."""
        curvature = self.scores @ self.scores.T
        damping = 1e-6 * np.diag(np.diag(curvature)) + 1e-9 * np.eye(len(curvature))
        step = np.linalg.solve(curvature + damping, self.slope)
        return np.asarray(step / max(1.0, np.abs(step).max() / LONGEST_STEP))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Series:
    """Returns, laid out for the recursion of the variance.

    Parameters are the logits of the shares that news (one weight, or those of rises and
    of falls) and memory have in the variance, against the level's share; the log of the
    level; and the log of the degrees of freedom above 2. All places are allowed.
    """

    squares: Float[np.ndarray, " session"]
    news: Float[np.ndarray, "news session"]
    backcast: float

    @classmethod
    def of(cls, returns: Float[np.ndarray, " session"], *, falls: bool) -> "_Series":
        """Lay a series out."""
        squares = returns**2
        early = squares[:BACKCAST_RETURNS]
        decay = BACKCAST_DECAY ** np.arange(len(early))
        backcast = float(early @ decay / decay.sum())
        sides: list[Bool[np.ndarray, " session"]] = [returns >= 0, returns < 0]
        told = [2 * squares * side for side in sides] if falls else [squares]
        before = [np.concatenate([[backcast], one[:-1]]) for one in told]
        return cls(squares=squares, news=np.stack(before), backcast=backcast)

    def start(self) -> Float[np.ndarray, " parameter"]:
        """Say what daily prices usually show."""
        kinds = len(self.news)
        shares = np.array([0.06 / kinds] * kinds + [0.92, 0.02])
        logits = np.log(shares[:-1] / shares[-1])
        level = np.log(max(self.squares.mean(), 1e-12))
        return np.concatenate([logits, [level, np.log(6.0)]])

    def at(self, place: Float[np.ndarray, " parameter"]) -> _Point:
        """Give the likelihood and its scores."""
        from scipy.special import gammaln

        place = np.concatenate(
            [
                np.clip(place[:-2], -LOGIT_BOUND, LOGIT_BOUND),
                np.clip(place[-2:-1], -LEVEL_BOUND, LEVEL_BOUND),
                np.clip(place[-1:], *TAIL_BOUNDS),
            ]
        )
        weights, rest = _shares(place[:-2])
        level = float(np.exp(place[-2]))
        variance, turned = self._variance(weights, level * rest)
        above = float(np.exp(place[-1]))  # degrees of freedom above 2
        ratio = self.squares / (variance * above)
        constant = gammaln((above + 3) / 2) - gammaln(above / 2 + 1)
        constant -= 0.5 * np.log(above * np.pi)
        tails = np.log1p(ratio)
        likelihood = constant - 0.5 * (np.log(variance) + (above + 3) * tails)
        share = ratio / (1 + ratio)
        by_variance = 0.5 * ((above + 3) * share - 1) / variance
        by_weights = by_variance * turned  # news, memory, constant
        by_news, by_constant = by_weights[:-1], level * rest * by_weights[-1]
        mean = weights @ by_news + by_constant
        by_logits = weights[:, None] * (by_news - mean)
        by_tail = _tail_score(above, tails, share)
        return _Point(
            place=place,
            weights=weights,
            constant=level * rest,
            likelihood=float(likelihood.sum()),
            scores=np.vstack([by_logits, by_constant, by_tail]),
        )

    def _variance(
        self, weights: Float[np.ndarray, " weight"], constant: float
    ) -> tuple[Float[np.ndarray, " session"], Float[np.ndarray, "turn session"]]:
        # the variance, and how it turns with each weight and with the constant
        from scipy.signal import lfilter

        memory = float(weights[-1])
        told = constant + weights[:-1] @ self.news
        told[0] += memory * self.backcast
        variance = lfilter([1.0], [1.0, -memory], told)
        last = np.concatenate([[self.backcast], variance[:-1]])
        sources = np.vstack([self.news, last, np.ones_like(last)])
        return variance, lfilter([1.0], [1.0, -memory], sources, axis=1)


def _shares(
    logits: Float[np.ndarray, " weight"],
) -> tuple[Float[np.ndarray, " weight"], float]:
    # softmax against a logit of 0
    largest = max(float(logits.max()), 0.0)
    raised, rest = np.exp(logits - largest), float(np.exp(-largest))
    total = float(raised.sum()) + rest
    return raised / total, rest / total


def _tail_score(
    above: float,
    tails: Float[np.ndarray, " session"],
    share: Float[np.ndarray, " session"],
) -> Float[np.ndarray, " session"]:
    # in the log of the degrees of freedom above 2
    from scipy.special import digamma

    by_constant = digamma((above + 3) / 2) - digamma(above / 2 + 1) - 1 / above
    return np.asarray(0.5 * above * (by_constant - tails + (above + 3) / above * share))
