"""What blending and calibrating by market were chosen on: prices before 2014 alone.

On the development panel (see ``dev_panel.py``), trained before 2008, stopped on 2008,
CRPS skill against EWMA-t and coverage of 2009 to 2013, by class: the model alone,
blended, and blended and calibrated as it is shipped. And on simulated markets that
appear in 2010 beside a part of that panel: what it says of coins that it never saw.

    cd benchmarks
    python blend_development.py FOLDER --out results/blend_development.json
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from dev_panel import COVERAGES, SHIPPED, SPEC, as_shipped, read_panel, trained
from machine import publish

from closecast.evaluation.scores import crps, hits
from closecast.experiments.fitted import Fitted
from closecast.market.bars import Bars, from_columns
from closecast.training.model import TrainedModel
from closecast.windows import Split, WindowData, split_by_date

CUTS, END = ("2008-01-01", "2009-01-01"), np.datetime64("2014-01-01")
COINS_FROM = np.datetime64("2010-01-01")
COINS, CORRELATION, FEW = 20, 0.6, 3
"""Coins of a market, how far they move together, and of how many stocks one is kept
beside them."""

KINDS = {
    "wild": {"tail": 3.5, "shock": 0.15, "memory": 0.83, "volatility": 0.045},
    "steady": {"tail": 5.0, "shock": 0.05, "memory": 0.93, "volatility": 0.030},
    "jumpy": {"tail": 2.6, "shock": 0.25, "memory": 0.70, "volatility": 0.050},
}
"""Late markets: degrees of freedom, GARCH(1,1) and the volatility of a session."""


def voices(model: TrainedModel, bars: Bars, split: Split) -> dict[str, Any]:
    """List the ways in which the model may speak, and EWMA-t first."""
    shipped = as_shipped(model, bars, split)
    blended = replace(shipped, conformal=None, path_band=None)
    alone = Fitted(model=model)
    _, ewma_t = shipped.parts
    return {
        "ewma_t": ewma_t,
        "alone": alone.voice,
        "blended": blended.voice,
        "blended and calibrated": shipped.voice,
    }


def compared(
    model: TrainedModel, bars: Bars, split: Split, kinds: np.ndarray, only: str | None
) -> list[dict[str, Any]]:
    """Score every voice: skill against EWMA-t by class, and coverage."""
    data = WindowData.of(bars, SPEC)
    tested = split.test if only is None else split.test[kinds[split.test] == only]
    truth, unit = data.target(tested), data.scale[tested][:, None]
    losses: dict[str, np.ndarray] = {}
    table = []
    for name, voice in voices(model, bars, split).items():
        forecast = voice.forecast(bars, tested)
        losses[name] = crps(forecast, truth) / unit
        held = [hits(forecast, truth, level).mean(axis=0) for level in COVERAGES]
        classes = {"all": np.ones(len(tested), bool)}
        classes |= {str(k): kinds[tested] == k for k in np.unique(kinds[tested])}
        table.append(
            {
                "voice": name,
                "coverage_percent": (100 * np.array(held)).round(1).tolist(),
                "skill_percent": {
                    k: _skill(losses[name][here], losses["ewma_t"][here])
                    for k, here in classes.items()
                },
                "windows": {k: int(here.sum()) for k, here in classes.items()},
            }
        )
    return table


def _skill(loss: np.ndarray, other: np.ndarray) -> list[float]:
    return (100 * (1 - loss.mean(axis=0) / other.mean(axis=0))).round(3).tolist()


def late_coins(
    seed: int, tail: float, shock: float, memory: float, volatility: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulate coins that trade every day from 2010 on: symbols, dates and bars."""
    random = np.random.default_rng(seed)
    days = np.arange(COINS_FROM, END)
    shape = (COINS, len(days))
    common = np.sqrt(CORRELATION) * random.standard_normal((1, len(days)))
    noise = common + np.sqrt(1 - CORRELATION) * random.standard_normal(shape)
    noise *= np.sqrt((tail - 2) / random.chisquare(tail, shape))
    variance = np.full(shape, volatility**2)
    for day in range(1, len(days)):
        grown = shock * noise[:, day - 1] ** 2 + memory
        news = volatility**2 * (1 - shock - memory)
        variance[:, day] = news + grown * variance[:, day - 1]
    deviation = np.sqrt(variance)
    returns = np.clip(noise * deviation, -1.5, 1.5)
    close = 100 * np.exp(np.cumsum(returns, axis=1))
    opened = np.concatenate([np.full((COINS, 1), 100.0), close[:, :-1]], axis=1)
    reach = np.exp(0.5 * deviation * np.abs(random.standard_normal((2, *shape))))
    high, low = (
        np.maximum(opened, close) * reach[0],
        np.minimum(opened, close) / reach[1],
    )
    volume = np.exp(13 + 0.5 * random.standard_normal(shape))
    bars = np.stack([opened, high, low, close, volume], axis=-1)
    names = np.repeat([f"ZC{number:02d}" for number in range(COINS)], len(days))
    return names, np.tile(days, COINS), bars.reshape(-1, 5)


def beside(
    bars: Bars, coins: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[Bars, np.ndarray]:
    """Put coins beside a part of a panel; give the kind of each row."""
    few = bars.select(bars.symbol_ids % FEW == 0)
    rows = np.arange(len(few))
    joined = from_columns(
        np.concatenate([few.names(rows), coins[0]]),
        np.concatenate([few.dates, coins[1]]),
        np.concatenate([few.values, coins[2]]),
    )
    every = joined.names(np.arange(len(joined)))
    return joined, np.where(np.isin(every, np.unique(coins[0])), "coins", "others")


def main() -> None:
    """Score and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    every, classes = read_panel(arguments.folder)
    early = np.flatnonzero(every.dates < END)
    bars = from_columns(every.names(early), every.dates[early], every.values[early])
    split = split_by_date(bars, SPEC, *CUTS)
    model = trained(bars, split, SHIPPED, arguments.cache)
    late = {}
    for seed, (kind, shape) in enumerate(KINDS.items()):
        joined, kinds = beside(bars, late_coins(seed, **shape))
        late[kind] = compared(
            model, joined, split_by_date(joined, SPEC, *CUTS), kinds, "coins"
        )
    document = {
        "late_coins": late,
        "panel": compared(model, bars, split, classes[early], None),
    }
    publish(document, arguments.out)


if __name__ == "__main__":
    main()
