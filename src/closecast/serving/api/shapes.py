"""The JSON of the API, field by field: what OpenAPI and ``docs/how-to/serve.md`` show.

Prices are in the symbol's own currency, dates ISO 8601, times UTC. A field that is
null is not known; it is never left out.
"""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LEVELS = ("50", "80", "95")
"""Central intervals of every forecast, in percent."""

MAX_BARS = 5000
MIN_BARS = 1

Interval = Annotated[
    tuple[float, float], Field(description="Low and high end, in price units.")
]
Price = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Volume = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class Shape(BaseModel):
    """What every answer is: a fixed set of fields."""

    model_config = ConfigDict(extra="forbid")


class ProblemShape(BaseModel):
    """An error: RFC 9457, ``application/problem+json``."""

    type: str = Field(description="urn:closecast:problem:KIND")
    title: str
    status: int
    detail: str = Field(description="What was expected, what was given, what to do.")
    nearest: list[str] = Field(default=[], description="Names that may be meant.")


class Health(Shape):
    """Whether the server's parts answer."""

    status: Literal["ok", "degraded"]
    prices: Literal["ok", "unavailable"]
    model: Literal["ok", "none"]
    ledger: Literal["ok", "none", "unavailable"]


class SymbolShape(Shape):
    """A symbol with prices."""

    symbol: str
    bars: int
    first: dt.date
    last: dt.date


class Symbols(Shape):
    """Symbols that match a search."""

    symbols: list[SymbolShape]
    total: int = Field(description="Symbols that match, shown or not.")


class Prices(Shape):
    """Bars of a symbol, a list a column, oldest first."""

    symbol: str
    dates: list[dt.date]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    more: bool = Field(description="Whether there are older bars.")


class Verdict(Shape):
    """What the model was judged to be worth on bars that it never trained on."""

    text: str
    why: list[str]
    suspicious: bool


class Record(Shape):
    """How forecasts have done that were published before their truth existed."""

    forecasts: int = Field(description="Published, scored or not.")
    scored: int = Field(description="Closes that have come since.")
    first: dt.date | None = Field(description="Oldest cutoff.")
    last: dt.date | None = Field(description="Newest cutoff.")
    coverage: dict[str, float | None] = Field(
        description="Share of closes inside the 50, 80 and 95 % intervals."
    )
    crps: float | None = Field(description="Mean CRPS, in units of volatility.")
    skill: dict[str, float | None] = Field(
        description="1 - CRPS / CRPS of each stored baseline; above 0 is better."
    )
    advice: Literal["go on", "watch", "retrain", "stop"] | None = Field(
        description="Of the monitors over all symbols; null: not known yet."
    )
    why: list[str] = Field(description="What the advice rests on.")


class ModelShape(Shape):
    """What made a forecast."""

    version: int | None = Field(description="On the shelf, if it is the one serving.")
    hash: str


class Step(Shape):
    """One session ahead."""

    step: int
    date: dt.date
    mean: float
    median: float
    intervals: dict[str, Interval] = Field(
        description="Central intervals by their level in percent: 50, 80, 95."
    )
    path: dict[str, Interval] | None = Field(
        description="Bands that all steps stay inside together, by their level in "
        "percent: 50, 80, 95. null: the model has none."
    )


class Forecast(Shape):
    """The distribution of the next closes of a symbol."""

    symbol: str
    cutoff: dt.date = Field(description="The last bar known.")
    origin: Literal["ledger", "computed"] = Field(
        description="ledger: published before its truth existed. computed: made now."
    )
    made_at: dt.datetime
    late: bool = Field(description="Recorded after its first session had begun.")
    last_close: float
    steps: list[Step]
    model: ModelShape
    data: str = Field(description="Fingerprint of the bars that it was made from.")
    notes: list[str] = Field(description="What to know before it is trusted.")
    verdict: Verdict | None = Field(description="null: the model was not judged.")
    record: Record | None = Field(description="null: there is no ledger.")


class Forecasts(Shape):
    """Forecasts of several symbols."""

    forecasts: list[Forecast]


class PostedBar(Shape):
    """A session."""

    date: dt.date
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Volume


class PostedBars(Shape):
    """Bars to forecast from."""

    symbol: str = Field(default="POSTED", min_length=1, max_length=64)
    bars: list[PostedBar] = Field(min_length=MIN_BARS, max_length=MAX_BARS)
    cutoff: dt.date | None = Field(
        default=None, description="The last bar known; by default the newest one."
    )


class PastStep(Shape):
    """One session of a past forecast, and what came."""

    step: int
    date: dt.date
    median: float
    intervals: dict[str, Interval]
    close: float | None = Field(description="What came; null: not yet.")


class PastForecast(Shape):
    """A forecast of the ledger."""

    cutoff: dt.date
    made_at: dt.datetime
    late: bool
    last_close: float
    model: str = Field(description="Hash of the model.")
    steps: list[PastStep]


class History(Shape):
    """Past forecasts of a symbol against what happened, oldest first."""

    symbol: str
    forecasts: list[PastForecast]
    record: Record


class TrackedShape(Shape):
    """A symbol of the ledger."""

    symbol: str
    forecasts: int
    late: int
    first: dt.date
    last: dt.date


class MonitorShape(Shape):
    """Whether the live record is still as it was meant, in one respect."""

    name: str
    state: Literal["fine", "watch", "retrain", "stop"]
    dates: int
    early: bool = Field(description="Too few dates to say anything but fine.")
    value: float | None
    low: float | None
    high: float | None


class LedgerShape(Shape):
    """What the ledger holds."""

    entries: int = Field(description="Rows of the chain, baselines' included.")
    head: str = Field(description="Hash of the last row.")
    symbols: list[TrackedShape]
    monitors: list[MonitorShape] | None = Field(description="null: not known yet.")


class Scoreboard(BaseModel):
    """``scoreboard.json`` of the version that serves, as ``evaluate`` wrote it."""

    model_config = ConfigDict(extra="allow")

    version: int
    model_hash: str
    verdict: str
    why: list[str]
    rows: list[dict[str, Any]]


class RunShape(Shape):
    """A run of this machine."""

    id: str
    name: str
    state: Literal["done", "unfinished", "gone"]
    started: str
    members: int = Field(description="Models that it trains.")
    done: int = Field(description="Models that are trained.")
    running: bool = Field(description="Whether a process works on it now.")


class Runs(Shape):
    """Runs, newest first."""

    runs: list[RunShape]
    total: int


class Member(Shape):
    """A model of a run."""

    name: str
    values: dict[str, str | int | float | bool]
    seed: int
    diverged: str | None
    validation_loss: float | None
    best_epoch: int | None
    epochs: int | None
    train_crps: float | None
    validation_crps: float | None
    fold: int | None = Field(
        default=None, description="Its fold, from 1 for the oldest; none where one is."
    )


class Combination(Shape):
    """The seeds of one combination of settings."""

    values: dict[str, str | int | float | bool]
    seeds: int
    diverged: int
    mean_loss: float | None
    sd_loss: float | None
    worst_loss: float | None


class Run(RunShape):
    """A run from the inside: heat map, members, winner."""

    config: dict[str, Any]
    data: dict[str, Any]
    axes: dict[str, list[str | int | float | bool]]
    combinations: list[Combination] = Field(description="The best first.")
    results: list[Member]
    winner: str | None
    trials: int | None
    verdict: str | None
    why: list[str]


class Curve(Shape):
    """Losses of a model, an entry an epoch."""

    member: str
    train_loss: list[float | None]
    validation_loss: list[float | None]


class Curves(Shape):
    """Learning curves, those of the least validation loss first."""

    curves: list[Curve]


class FindingShape(Shape):
    """Something wrong or odd in the prices."""

    symbol: str | None
    date: dt.date | None
    until: dt.date | None
    severity: Literal["error", "warning"]
    kind: str
    what: str
    remedy: str
    training: str


class Freshness(Shape):
    """How old a symbol's last bar is."""

    symbol: str
    last: dt.date
    behind: int = Field(
        description="Sessions that are over and not there; at most 260."
    )
    stale: bool


class Doctor(Shape):
    """What the doctor found, and how fresh the prices are."""

    checked_at: dt.datetime
    data: str = Field(description="Fingerprint of the prices.")
    counts: dict[str, int] = Field(description="Findings by kind.")
    findings: list[FindingShape] = Field(description="The worst first.")
    freshness: list[Freshness] = Field(description="The stalest first.")


class SessionShape(Shape):
    """Whose session it is."""

    caller: str


class Login(Shape):
    """A key, to log a browser in."""

    key: str = Field(min_length=1, max_length=200)


class LessonShape(Shape):
    """A lesson of the lecture."""

    number: int
    title: str
    summary: str
    address: str = Field(description="Where it runs, on this machine.")


class LessonList(Shape):
    """The lessons in their order; none where the lab is not open."""

    lessons: list[LessonShape]


class Spoken(Shape):
    """Sentences to translate."""

    language: Literal["en", "ko"]
    sentences: list[Annotated[str, Field(max_length=2000)]] = Field(max_length=1000)


class Sentence(Shape):
    """A sentence, and the language that it is in."""

    text: str
    language: Literal["en", "ko"]


class Said(Shape):
    """The sentences, in the order in which they were asked for."""

    sentences: list[Sentence]
