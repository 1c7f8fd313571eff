"""The mixture of a seed ensemble: exact, wide enough and the same every time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from closecast.errors import SettingError
from closecast.forecast import LEVELS
from closecast.training.ensemble import mixture_quantiles
from closecast.training.model import Job, train_fleet, train_jobs
from closecast.training.settings import Settings


def gaussians(parameters: list[tuple[float, float]]) -> np.ndarray:
    """Give the quantiles of some Gaussians as members of one window and step."""
    return np.array([norm.ppf(LEVELS, *pair) for pair in parameters])[:, None, None]


@pytest.mark.parametrize(
    "parameters",
    [
        [(0.0, 1.0), (0.5, 2.0)],
        [(-1.0, 1.0), (1.0, 1.0), (0.2, 0.5)],
        [(0.0, 0.1), (0.0, 5.0)],
    ],
)
def test_a_mixture_of_gaussians_is_the_closed_form(parameters):
    """The quantile of a mixture is the root of its averaged distribution function."""
    exact = [
        brentq(
            lambda x, level=level: (
                np.mean([norm.cdf(x, *p) for p in parameters]) - level
            ),
            -40,
            40,
        )
        for level in LEVELS
    ]

    mixed = mixture_quantiles(gaussians(parameters))[0, 0]

    probability = np.mean([norm.cdf(mixed, *p) for p in parameters], axis=0)
    np.testing.assert_allclose(probability, LEVELS, atol=0.004)
    np.testing.assert_allclose(mixed, exact, atol=0.05 * (exact[-1] - exact[0]))


def test_members_that_agree_are_their_mixture():
    """One distribution three times is itself."""
    one = gaussians([(0.3, 0.7)])

    np.testing.assert_allclose(
        mixture_quantiles(np.concatenate([one] * 3)), one[0], atol=1e-12
    )


def test_certain_members_make_steps():
    """Two members that are sure of different returns share the probability."""
    sure = np.zeros((2, 1, 1, len(LEVELS)))
    sure[1] = 1.0

    mixed = mixture_quantiles(sure)[0, 0]

    assert np.abs(mixed[LEVELS < 0.5]).max() < 1e-9
    assert np.abs(mixed[LEVELS > 0.5] - 1).max() < 1e-9


@given(seed=st.integers(0, 1000), members=st.integers(1, 5))
def test_the_order_of_members_does_not_matter(seed, members):
    """Quantiles do not decrease and lie between the members' own."""
    random = np.random.default_rng(seed)
    own = np.sort(random.normal(size=(members, 2, 3, len(LEVELS))), axis=-1)

    mixed = mixture_quantiles(own)

    assert (np.diff(mixed, axis=-1) >= 0).all()
    assert (mixed >= own.min(axis=0) - 1e-9).all()
    assert (mixed <= own.max(axis=0) + 1e-9).all()
    np.testing.assert_allclose(mixed, mixture_quantiles(own[::-1]), atol=1e-9)


class TestSeeds:
    def test_members_are_the_models_of_each_seed(self, ensemble, bars, settings, rows):
        """Trained together they are bit for bit what each is alone."""
        assert [m.settings.seed for m in ensemble.members] == [0, 1, 2]
        for member in ensemble.members:
            alone = replace(settings, seed=member.settings.seed)
            (expected,) = train_fleet(bars, [alone], *rows)
            assert member.settings == expected.settings
            for name, weight in member.weights.items():
                assert weight.tobytes() == expected.weights[name].tobytes()

    def test_the_forecast_is_the_mixture(self, ensemble, bars, rows):
        """Mean of the means, quantiles of the mixed distributions."""
        own = [m.forecast(bars, rows[1]) for m in ensemble.members]
        forecast = ensemble.forecast(bars, rows[1])

        np.testing.assert_allclose(
            forecast.mean, np.mean([f.mean for f in own], axis=0), atol=1e-12
        )
        np.testing.assert_array_equal(
            forecast.quantiles, mixture_quantiles(np.stack([f.quantiles for f in own]))
        )

    def test_a_window_alone_gives_the_same_bits(self, ensemble, bars, rows):
        """The other windows of a mixture do not matter."""
        whole = ensemble.forecast(bars, rows[0])
        alone = ensemble.forecast(bars, rows[0][7:8])

        assert whole.quantiles[7:8].tobytes() == alone.quantiles.tobytes()

    def test_jobs_may_have_windows_of_their_own(self, bars, settings, rows):
        """A fleet of two folds equals each fold trained alone."""
        train, validation = rows
        jobs = [
            Job(name="fold 1", settings=settings, train=train, validation=validation),
            Job(
                name="fold 2",
                settings=replace(settings, seeds=2, seed=5),
                train=train[20:],
                validation=validation[5:],
            ),
        ]
        for job, together in zip(jobs, train_jobs(bars, jobs), strict=True):
            (alone,) = train_jobs(bars, [job])
            assert (
                together.forecast(bars, validation).quantiles.tobytes()
                == alone.forecast(bars, validation).quantiles.tobytes()
            )

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"seeds": 0}, "seeds to be a whole number from 1"),
            ({"seeds": 2, "seed": 2**32 - 1}, "seed . seeds - 1"),
            ({"calibrate": "hope"}, "calibrate to be one of none, conformal"),
        ],
    )
    def test_settings_out_of_range_are_refused(self, setting, message):
        """There is at least one seed, and none above the greatest."""
        with pytest.raises(SettingError, match=message):
            Settings(**setting)
