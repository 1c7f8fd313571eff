"""Gradient boosting on the states of a cutoff: what trees make of the same news.

It is no part of ``fit_baselines``: it needs the extra ``lightgbm``, and is there to
ask whether a network that is told the states is worth its training.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from closecast.errors import MissingExtraError
from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import (
    last_seen,
)
from closecast.models.baselines.student_t import StudentT
from closecast.models.baselines.tails import (
    fit_tails,
    training_targets,
)
from closecast.windows.spec import WindowSpec
from closecast.windows.states import with_states

ROUNDS = 200
LEARNING_RATE = 0.05
LEAVES = 31
LEAST_IN_LEAF = 200
"""Windows of a leaf at least: a tail cannot be judged by fewer."""

LOG_SPREAD_BOUND = 3.0
"""In units of the window, as for the network's Student-t."""

LEAST_CURVATURE = 1e-3
"""Keeps a leaf of returns of 0 from stepping without end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boosting(StudentT):
    """Mean 0, log spread from trees over the states, Student-t.

    Attributes:
        spec: Shape of a window; only its horizon matters here.
        states: Groups of states, as the setting names them.
        trees: LightGBM's text of each step's model.

    Source: Ke and others (2017), LightGBM; Friedman (2001),
    doi:10.1214/aos/1013203451.
    """

    spec: WindowSpec
    states: str
    trees: tuple[str, ...]
    name: str = "boosting"

    def expected(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect what the trees make of the states, in units of the window."""
        lightgbm = _lightgbm()
        data = with_states(bars, self.spec, self.states)
        boosters = [lightgbm.Booster(model_str=text) for text in self.trees]
        expected = _expected(boosters, data.state[cutoffs])
        return np.asarray(data.unit(cutoffs) * expected)


def fit_boosting(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
    states: str = "all",
) -> Boosting:
    """Grow trees for the log spread of each step by the Student-t's likelihood.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        calendar: Which sessions target dates are taken from.
        states: Groups of states, as the setting names them.

    Returns:
        The baseline, fitted.

    Raises:
        MissingExtraError: LightGBM is not installed.
        SettingError: A group of states is unknown.
        TrainingError: There are too few windows.
        WindowError: The target of a training window is not in the panel.
    """
    lightgbm = _lightgbm()
    cutoffs, targets = training_targets(bars, train_cutoffs, spec, "boosting")
    data = with_states(bars, spec, states)
    z, x = targets / data.unit(cutoffs), data.state[cutoffs]
    dfs, factors = fit_tails(z)
    boosters = [
        _grow(lightgbm, x, z[:, step] / factors[step], dfs[step])
        for step in range(spec.horizon)
    ]
    dfs, factors = fit_tails(z / _expected(boosters, x))
    first, last = last_seen(bars, train_cutoffs, spec)
    return Boosting(
        spec=spec,
        states=states,
        trees=tuple(str(booster.model_to_string()) for booster in boosters),
        degrees_of_freedom=dfs,
        factors=factors,
        first_date=first,
        last_date=last,
        calendar=calendar,
    )


def _grow(
    lightgbm: Any,  # noqa: ANN401
    x: Float[np.ndarray, "window state"],
    z: Float[np.ndarray, " window"],
    df: float,
) -> Any:  # noqa: ANN401
    def slopes(
        log_spread: Float[np.ndarray, " window"],
        _: object,
    ) -> tuple[Float[np.ndarray, " window"], Float[np.ndarray, " window"]]:
        # of the Student-t's negative log likelihood in the log of its spread
        ratio = z**2 / (df * np.exp(2 * log_spread))
        share = ratio / (1 + ratio)
        curvature = 2 * (df + 1) * share * (1 - share)
        return 1 - (df + 1) * share, np.maximum(curvature, LEAST_CURVATURE)

    parameters = {
        "objective": slopes,
        "learning_rate": LEARNING_RATE,
        "num_leaves": LEAVES,
        "min_data_in_leaf": LEAST_IN_LEAF,
        "min_sum_hessian_in_leaf": 1.0,
        "feature_fraction": 0.5,
        "num_threads": 1,
        "deterministic": True,
        "seed": 0,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(x, label=z)
    return lightgbm.train(parameters, data, num_boost_round=ROUNDS)


def _expected(
    boosters: list[Any], x: Float[np.ndarray, "window state"]
) -> Float[np.ndarray, "window horizon"]:
    logs = [b.predict(x, num_threads=1) for b in boosters]
    bound = LOG_SPREAD_BOUND
    return np.asarray(np.exp(np.clip(np.column_stack(logs), -bound, bound)))


def _lightgbm() -> Any:  # noqa: ANN401
    try:
        import lightgbm  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise MissingExtraError(
            "Expected LightGBM for the boosting baseline, got none. Install "
            "closecast[lightgbm]."
        ) from error
    return lightgbm
