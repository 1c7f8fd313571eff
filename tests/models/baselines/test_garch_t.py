"""GARCH finds the reaction that is there, and filters as its formula says."""

import numpy as np
import pytest

from closecast.models.baselines import fit_garch_t, fit_gjr_t
from closecast.models.baselines.garch_fit import MAX_PERSISTENCE, Reaction
from closecast.models.baselines.garch_t import LEVEL_HALF_LIFE, TEXTBOOK, GarchT
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import volatility
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=5, horizon=3)


def _simulate(shock, fall, memory, sessions=4000, symbols=3, seed=1):
    """Returns of GJR markets with a level of 2 % a session, shape (symbol, session)."""
    rng = np.random.default_rng(seed)
    level = 0.02**2
    keeps = shock + fall / 2 + memory
    variance = np.full(symbols, level)
    returns = np.empty((symbols, sessions))
    for session in range(sessions):
        noise = rng.standard_t(6, symbols) * np.sqrt(4 / 6)
        returns[:, session] = now = noise * np.sqrt(variance)
        weight = shock + fall * (now < 0)
        variance = level * (1 - keeps) + weight * now**2 + memory * variance
    return returns


class TestFit:
    def test_finds_the_reaction_of_a_simulated_market(self, panel):
        """Shock and memory of a GARCH, within what 2500 returns can tell."""
        bars = panel(_simulate(0.10, 0.0, 0.85))
        fitted = fit_garch_t(bars, cutoffs_with_targets(bars, SPEC), SPEC)

        assert len(fitted.reactions) == 3
        assert fitted.pooled.shock == pytest.approx(0.10, abs=0.03)
        assert fitted.pooled.memory == pytest.approx(0.85, abs=0.06)
        assert np.sqrt(np.median([level for _, level, _ in fitted.reactions])) == (
            pytest.approx(0.02, rel=0.25)
        )

    def test_gjr_finds_that_falls_count_more(self, panel):
        """A market that fears falls has a weight for them, another has none."""
        fearful, calm = (
            panel(_simulate(*reaction))
            for reaction in ((0.02, 0.16, 0.85), (0.1, 0, 0.85))
        )
        falls = [
            fit_gjr_t(bars, cutoffs_with_targets(bars, SPEC), SPEC).pooled.fall
            for bars in (fearful, calm)
        ]

        assert falls[0] == pytest.approx(0.16, abs=0.06)
        assert abs(falls[1]) < 0.04

    def test_falls_do_not_matter_to_a_garch(self, panel):
        """Its weight for falls is 0."""
        bars = panel(_simulate(0.02, 0.16, 0.85, sessions=600))
        fitted = fit_garch_t(bars, cutoffs_with_targets(bars, SPEC), SPEC)

        assert fitted.pooled.fall == 0
        assert fitted.name == "garch_t"

    def test_a_short_panel_takes_the_textbook(self, walk):
        """Less than a year of returns fits no persistence."""
        fitted = fit_garch_t(walk, np.arange(50, 150), SPEC)

        assert fitted.reactions == ()
        assert fitted.pooled == TEXTBOOK

    def test_every_symbol_that_is_long_enough_is_fitted(self, panel):
        """However many they are; the median is of them all."""
        bars = panel(_simulate(0.1, 0.0, 0.85, sessions=400, symbols=120))
        fitted = fit_garch_t(bars, cutoffs_with_targets(bars, SPEC), SPEC)

        assert len(fitted.reactions) > 115
        shocks = [reaction.shock for _, _, reaction in fitted.reactions]
        assert fitted.pooled.shock == pytest.approx(np.median(shocks))


class TestForecast:
    @pytest.mark.parametrize("symbol", ["S01", "elsewhere"])
    def test_filters_as_its_formula_says(self, walk, symbol):
        """A loop over the sessions gives the spread of three steps."""
        reaction = Reaction(shock=0.08, fall=0.05, memory=0.85)
        model = GarchT(
            reactions=((symbol, 0.0003, reaction),),
            pooled=reaction,
            degrees_of_freedom=(100.0,) * 3,
            factors=(1.0,) * 3,
            first_date="2010-01-04",
            last_date="2010-12-31",
        )
        got = model.forecast(walk, np.array([650])).quantiles[0]
        returns = np.diff(np.log(walk.close[400:651]))
        levels = np.full(251, 0.0003)
        if symbol != "S01":
            levels = volatility(walk, LEVEL_HALF_LIFE)[400:651] ** 2
        variance = levels[0]
        for now, level in zip(returns, levels[1:], strict=True):
            weight = 0.08 + 0.05 * (now < 0)
            news = level * (1 - reaction.persistence) + weight * now**2
            variance = news + 0.85 * variance
        keeps, steps, total = reaction.persistence, [], 0.0
        for _ in range(3):
            total += variance
            steps.append(np.sqrt(total))
            variance = levels[-1] + keeps * (variance - levels[-1])

        np.testing.assert_allclose(got[:, 33] / got[0, 33], np.array(steps) / steps[0])
        assert got[0, 38] == pytest.approx(1.984 * steps[0], rel=1e-3)

    def test_an_explosive_reaction_is_bounded(self):
        """A variance always comes back to its level."""
        wild = Reaction(shock=0.4, fall=0.2, memory=0.7)

        assert wild.persistence == MAX_PERSISTENCE
