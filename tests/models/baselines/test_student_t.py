"""One class makes a distribution of an expected spread, tails and a factor."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from closecast.forecast import LEVELS
from closecast.models.baselines.student_t import StudentT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler(StudentT):
    """Expects the same spread everywhere."""

    name: str = "ruler"

    def expected(self, bars, cutoffs):  # noqa: ARG002
        return np.full((len(cutoffs), len(self.factors)), 0.01)


def test_quantiles_are_those_of_the_student_t(walk):
    """Spread times factor times the textbook's quantile, around no change."""
    ruler = Ruler(
        degrees_of_freedom=(3.0, 30.0),
        factors=(1.0, 1.5),
        first_date="2010-01-04",
        last_date="2010-12-31",
    )
    forecast = ruler.forecast(walk, np.array([60, 70]))

    assert (forecast.mean == 0).all()
    for step, (df, factor) in enumerate([(3.0, 1.0), (30.0, 1.5)]):
        np.testing.assert_allclose(
            forecast.quantiles[1, step],
            0.01 * factor * student_t.ppf(LEVELS, df),
            atol=1e-12,
        )
