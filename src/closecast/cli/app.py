"""Every command and where it lives. Heavy libraries load inside the command."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.backtest import backtest
from closecast.cli.daily import daily
from closecast.cli.data import app as data_app
from closecast.cli.doctor import doctor
from closecast.cli.engine import engine
from closecast.cli.experiment import Pictures, draw_pictures, with_experiment
from closecast.cli.export import export
from closecast.cli.lab import lab
from closecast.cli.leak_test import leak_test
from closecast.cli.ledger import app as ledger_app
from closecast.cli.options import (
    AsJson,
    Language,
    ModelFolder,
    OwnFile,
    Prices,
    PricesOrPanel,
    read,
    require_folder,
    require_language,
    require_writable,
    source_of,
    with_hints,
    with_settings,
)
from closecast.cli.pack import pack
from closecast.cli.range_test import NOT_SET, range_test
from closecast.cli.screen import say, say_json, training_progress
from closecast.cli.search import search
from closecast.cli.serve import serve_app
from closecast.cli.shards import forecast_shards, panel_on_disk, tell_shards
from closecast.cli.shelf import shelf_app
from closecast.cli.store import add_to as add_store
from closecast.cli.sweep import compare, runs_app, sweep
from closecast.cli.verify import verify
from closecast.cli.workers import Address, On

if TYPE_CHECKING:
    from closecast.experiments.forecaster import Evaluation, Forecaster
    from closecast.forecast import Forecast
    from closecast.market.bars import Bars
    from closecast.market.readers.format import Hints

app = typer.Typer(
    name="closecast",
    help="Forecast closing prices with LSTMs, and know how far to trust them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(with_settings(with_hints(backtest)))
add_store(data_app)
app.add_typer(data_app, name="data", help="Look at prices before anything is trained.")
data_app.command()(with_hints(pack))
app.command()(with_hints(leak_test))
app.command()(lab)
app.command()(with_hints(with_experiment(sweep)))
app.command()(with_hints(with_experiment(search)))
app.command("range-test")(with_settings(with_hints(range_test), NOT_SET))
app.command()(with_hints(verify))
app.command()(compare)
app.command()(engine)
app.command()(with_hints(doctor))
app.command()(export)
app.command()(daily)
app.add_typer(ledger_app, name="ledger", help="Look at recorded forecasts.")
app.add_typer(runs_app, name="runs", help="Look at the runs of this machine.")
app.add_typer(serve_app, name="serve")
app.add_typer(shelf_app, name="shelf")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the run goes.")] = Path(
        "closecast-demo"
    ),
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Tell the whole story on embedded real prices."""
    require_folder(out)
    require_language(language)
    bars = read("sample")
    _finish(_fit(_new({}), bars), bars, "sample", out, as_json, language)


@app.command()
@with_settings
@with_hints
def train(
    prices: Prices,
    out: Annotated[Path, typer.Option(help="Where the model goes.")],
    settings: dict[str, object],
    hints: "Hints",
    own: OwnFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on the oldest bars; the newest fifth stays unseen."""
    require_folder(out)
    forecaster = _fit_on_disk(prices, settings)
    if forecaster is None:
        forecaster = _fit(_new(settings), read(prices, hints), own)
    forecaster.save(out)
    curves = [member.curve for member in forecaster.model.members]
    if as_json:
        say_json({"model": str(out), "best_epoch": curves[0].best_epoch})
    else:
        for curve in curves:
            epochs = len(curve.train_loss)
            say(f"Trained {epochs} epochs, kept epoch {curve.best_epoch}.")
        say(_leaks_told([test.passed for test in forecaster.leak_tests]))
        say(f"Model: {out}")


@app.command()
@with_hints
def forecast(  # noqa: PLR0913, PLR0917  each is an option
    model: ModelFolder,
    prices: PricesOrPanel,
    hints: "Hints",
    out: Annotated[Path | None, typer.Option(help="Write forecast.csv here.")] = None,
    own: OwnFile = None,
    on: On = None,
    address: Address = None,
    path_bands: Annotated[
        bool,
        typer.Option("--path-bands", help="Add bands for the whole path."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Forecast the next closes of every symbol; of a panel on disk by shards."""
    from closecast.experiments.run import write_forecast

    if out is not None:
        require_writable(out)
    forecaster, panel = _load(model), panel_on_disk(prices, on, address, own)
    if panel is None:
        result = forecaster.forecast(forecaster.panel(read(prices, hints), own))
    else:
        result = forecast_shards(forecaster, panel, on, address)
    if out is not None:
        write_forecast(out, result, path_bands=path_bands)
    rows = _table(result, path_bands=path_bands)
    if as_json:
        say_json([{k: _plain(v) for k, v in row.items()} for row in rows])
    elif out is not None:
        say(f"Forecast: {out} ({len(result)} symbols, {result.horizon} sessions)")
    else:
        together = "80 % band of the path" if path_bands else ""
        head = f"symbol      date             median   {'80 % interval':<22} "
        say((head + together).rstrip())
        for row in rows:
            own_ends = f"{row['q10']:.6g} .. {row['q90']:.6g}"
            band = (
                f"{row['path_lo_80']:.6g} .. {row['path_hi_80']:.6g}"
                if path_bands
                else ""
            )
            say(
                f"{row['symbol']:<10}  {row['date']}  {row['median']:>12.6g}   "
                f"{own_ends:<22} {band}".rstrip()
            )


def _table(forecast: "Forecast", *, path_bands: bool) -> Iterator[dict[str, Any]]:
    table = forecast.to_columns(path_bands=path_bands)
    columns = {name: column.tolist() for name, column in table.items()}
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


@app.command()
@with_hints
def evaluate(  # noqa: PLR0913, PLR0917  each is an option
    model: ModelFolder,
    prices: PricesOrPanel,
    hints: "Hints",
    out: Annotated[Path | None, typer.Option(help="Write a run folder here.")] = None,
    own: OwnFile = None,
    on: On = None,
    address: Address = None,
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Score a model beside the baselines on bars it never trained on.

    A panel on disk is scored by shards, and no forecast of it is stored.
    """
    require_folder(out)
    require_language(language)
    forecaster, panel = _load(model), panel_on_disk(prices, on, address, own)
    if panel is not None:
        tell_shards(forecaster, panel, on, address, out, as_json=as_json)
        return
    bars = forecaster.panel(read(prices, hints), own)
    _finish(forecaster, bars, prices, out, as_json, language)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    pictures: Pictures = None,
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Draw report.html of a run again, from its files alone.

    Pictures as files are drawn of a sweep or a search.
    """
    from closecast.reports.report import write_report
    from closecast.reports.sweep import is_sweep, write_sweep_report

    write = write_sweep_report if is_sweep(run) else write_report
    path = write(run, language=language, out=out)
    draw_pictures(run, pictures, language)
    if as_json:
        say_json({"report": str(path)})
    else:
        say(f"Report: {path}")


def _leaks_told(outcomes: list[bool | None]) -> str:
    passed, unproven = outcomes.count(True), outcomes.count(None)
    rest = f" With nothing to check: {unproven}." if unproven else ""
    return f"Leak tests passed: {passed}.{rest}"


def _new(settings: dict[str, object]) -> "Forecaster":
    from closecast.experiments.forecaster import Forecaster

    return Forecaster(**settings)


def _fit(
    forecaster: "Forecaster", bars: "Bars", own: Path | None = None
) -> "Forecaster":
    with training_progress() as on_epoch:
        return forecaster.fit(bars, own=own, on_epoch=on_epoch)


def _fit_on_disk(prices: str, settings: dict[str, object]) -> "Forecaster | None":
    from closecast.windows.on_disk import DiskPanel, is_panel

    if not is_panel(prices):
        return None
    from closecast.experiments.on_disk import fit_on_disk

    with training_progress() as on_epoch:
        return fit_on_disk(DiskPanel.open(prices), on_epoch=on_epoch, **settings)


def _load(folder: Path) -> "Forecaster":
    from closecast.experiments.forecaster import Forecaster

    return Forecaster.load(folder)


def _finish(
    forecaster: "Forecaster",
    bars: "Bars",
    prices: str,
    out: Path | None,
    as_json: bool,
    language: str,
) -> None:
    evaluation = forecaster.evaluate(bars)
    if out is not None:
        _write(out, forecaster, evaluation, prices, language)
    if as_json:
        say_json(evaluation.to_dict())
        return
    say(evaluation.verdict)
    for sentence in evaluation.why:
        say(f"  {sentence}")
    if out is not None:
        say(f"Report: {out / 'report.html'}")


def _write(
    out: Path,
    forecaster: "Forecaster",
    evaluation: "Evaluation",
    prices: str,
    language: str,
) -> None:
    from closecast.experiments.run import write_run
    from closecast.reports.report import write_report

    write_run(out, forecaster, evaluation, source_of(prices))
    write_report(out, language=language)


def _plain(value: Any) -> Any:  # noqa: ANN401  a cell of a table
    return value if isinstance(value, str | int | float) else str(value)
