"""How often a band holds the whole path of five closes, against two ways without one.

On simulated walks with GARCH noise, and on the development panel before 2014 (see
``dev_panel.py``): trained before 2008, the band measured on 2008, the paths of 2009 to
2013 counted. Beside the band: every step's own interval of that level taken together,
and, on the walks, Bonferroni's band, which asks 1 - (1 - level) / 5 of every step.

    python benchmarks/path_bands.py FOLDER --out benchmarks/results/path_bands.json
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from dev_panel import SHIPPED, SPEC, read_panel, trained
from machine import publish

from closecast.evaluation.conformal import fit_conformal
from closecast.evaluation.path_band import (
    calibration_windows,
    fit_path_band,
    path_coverage,
)
from closecast.forecast import NOMINAL, Forecast
from closecast.market.bars import Bars, from_columns
from closecast.models.baselines import fit_ewma_t
from closecast.testing import garch_walk
from closecast.windows import WindowData, split_by_date

MARKETS, SYMBOLS, SESSIONS = 20, 60, 900
SIMULATED_CUTS = ("2011-06-01", "2012-06-01")
PANEL_CUTS, PANEL_END = ("2008-01-01", "2009-01-01"), np.datetime64("2014-01-01")
MOST = 150_000
"""Test windows that are counted at most, evenly spaced."""

BONFERRONI = {0.5: 0.9, 0.75: 0.95}
"""Level of the path, and what each of five steps is asked for; higher ones are not
stored."""


def simulated() -> list[dict[str, Any]]:
    """Average over some markets what the three ways hold."""
    found: dict[float, list[list[float]]] = {}
    for seed in range(MARKETS):
        bars = garch_walk(SYMBOLS, SESSIONS, seed=seed)
        split = split_by_date(bars, SPEC, *SIMULATED_CUTS)
        model, data = fit_ewma_t(bars, split.train, SPEC), WindowData.of(bars, SPEC)
        known, ahead = (
            model.forecast(bars, rows) for rows in (split.validation, split.test)
        )
        came, truth = data.target(split.validation), data.target(split.test)
        banded = fit_path_band(known, came).around(ahead)
        wide = _bonferroni(known, came, ahead)
        for level in (0.5, 0.75, 0.8, 0.95):
            held = [
                _inside(banded.path_interval(level), truth),
                _inside(_stepwise(ahead, level), truth),
            ]
            if level in BONFERRONI:
                held.append(_inside(wide[level], truth))
            found.setdefault(level, []).append(held)
    names = ("band", "stepwise", "bonferroni")
    return [
        {"level": level}
        | {
            name: round(100 * float(share), 1)
            for name, share in zip(names, np.mean(held, axis=0), strict=False)
        }
        for level, held in found.items()
    ]


def _stepwise(forecast: Forecast, level: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = round((1 - level) / 2, 9), round((1 + level) / 2, 9)
    return forecast.quantile(low), forecast.quantile(high)


def _bonferroni(
    known: Forecast, came: np.ndarray, ahead: Forecast
) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    table = fit_conformal(known, came, np.datetime64(SIMULATED_CUTS[1]))
    factors = table.factors(np.tile(NOMINAL, (SPEC.horizon, 1)))
    median, bands = ahead.quantile(0.5), {}
    for level, each in BONFERRONI.items():
        own = factors[:, int(np.argmin(np.abs(NOMINAL - each)))]
        low, high = _stepwise(ahead, each)
        bands[level] = median + own * (low - median), median + own * (high - median)
    return bands


def _inside(band: tuple[np.ndarray, np.ndarray], truth: np.ndarray) -> float:
    low, high = band
    return float(((low <= truth) & (truth <= high)).all(axis=1).mean())


def panel(folder: Path, cache: Path | None) -> list[dict[str, Any]]:
    """Count whole paths of real prices, all years and each."""
    every, _ = read_panel(folder)
    bars = _before(every, PANEL_END)
    split = split_by_date(bars, SPEC, *PANEL_CUTS)
    model, data = trained(bars, split, SHIPPED, cache), WindowData.of(bars, SPEC)
    rows = calibration_windows(split.validation)
    band = fit_path_band(model.forecast(bars, rows), data.target(rows))
    places = np.linspace(0, len(split.test) - 1, min(len(split.test), MOST))
    tested = split.test[places.astype(int)]
    ahead, truth = band.around(model.forecast(bars, tested)), data.target(tested)
    years = ahead.cutoffs.astype("datetime64[Y]")
    groups = {"2009 to 2013": np.arange(len(tested))}
    groups |= {str(year): np.flatnonzero(years == year) for year in np.unique(years)}
    return [
        {"years": name, **one.to_dict()}
        for name, part in groups.items()
        for one in path_coverage(ahead.take(part), truth[part])
    ]


def _before(bars: Bars, end: np.datetime64) -> Bars:
    early = np.flatnonzero(bars.dates < end)
    return from_columns(bars.names(early), bars.dates[early], bars.values[early])


def main() -> None:
    """Count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    document = {
        "simulated": simulated(),
        "panel": panel(arguments.folder, arguments.cache),
    }
    publish(document, arguments.out)


if __name__ == "__main__":
    main()
