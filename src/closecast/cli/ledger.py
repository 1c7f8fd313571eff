"""``closecast ledger``: look at recorded forecasts, check them, take them elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.options import AsJson, Prices, read, with_hints
from closecast.cli.screen import say, say_json
from closecast.errors import LedgerError

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints
    from closecast.serving.ledger import Ledger

Place = Annotated[
    str,
    typer.Argument(
        metavar="LEDGER", help="A file of SQLite, or postgresql://USER@HOST/NAME."
    ),
]
ALARM = 3

app = typer.Typer(no_args_is_help=True)


@app.command()
def verify(
    ledger: Place,
    receipts: Annotated[
        Path | None,
        typer.Option(help="Receipts that must be in it; those beside the file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Follow the chain from its first row and make every hash and score again.

    Exit code 0: all is as it was written. 3: something is wrong.
    """  # noqa: DOC501
    with _open(ledger, receipts) as opened:
        wrong, head = opened.verify(), opened.head
    if as_json:
        say_json({"wrong": list(wrong), "number": head.number, "head": head.hash})
    else:
        for sentence in wrong:
            say(sentence)
        state = "Not as it was written" if wrong else "Whole"
        say(f"{state}: {head.number} rows, head {head.hash}")
    raise typer.Exit(ALARM if wrong else 0)


@app.command()
def show(
    ledger: Place,
    symbol: Annotated[
        str | None, typer.Argument(help="One symbol; the record of all by default.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest forecasts to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the record so far and the monitors, or the forecasts of a symbol."""
    with _open(ledger) as opened:
        if symbol is None:
            _show_record(opened, as_json=as_json)
        else:
            _show_symbol(opened, symbol, limit, as_json=as_json)


@app.command()
@with_hints
def score(
    ledger: Place, prices: Prices, hints: "Hints", as_json: AsJson = False
) -> None:
    """Score what came true, and again what was corrected, without forecasting."""
    from dataclasses import asdict

    with _open(ledger) as opened:
        done = opened.score(read(prices, hints))
    if as_json:
        say_json(asdict(done))
    else:
        say(
            f"Scored: {done.scored} steps, {done.corrected} corrected, "
            f"{done.held_back} held back, {done.waiting} waiting."
        )


@app.command()
def export(
    ledger: Place,
    out: Annotated[Path, typer.Argument(help="A file .csv or .parquet.")],
    as_json: AsJson = False,
) -> None:
    """Write all forecasts with what came of them into one table."""
    from closecast.serving.ledger.exporting import export as write

    with _open(ledger) as opened:
        rows = write(opened, out)
    if as_json:
        say_json({"out": str(out), "rows": rows})
    else:
        say(f"Written: {rows:,} rows. In: {out}")


def _open(place: str, receipts: Path | None = None) -> "Ledger":
    from closecast.serving.ledger import Ledger

    if receipts is not None and not receipts.is_file():
        raise LedgerError(
            f"Expected a file of receipts, got none ({receipts}). Name one, or leave "
            "--receipts out."
        )
    return Ledger.open(place, receipts=receipts, create=False)


def _show_record(ledger: "Ledger", *, as_json: bool) -> None:
    from dataclasses import asdict

    from closecast.reports.daily import monitor_of
    from closecast.reports.language import words_of

    rows, monitors = ledger.scoreboard(), ledger.monitors()
    if as_json:
        say_json(
            {
                "symbols": [
                    {**asdict(one), "first": str(one.first), "last": str(one.last)}
                    for one in ledger.symbols()
                ],
                "record": [asdict(row) for row in rows],
                "monitors": [one.to_dict() for one in monitors],
            }
        )
        return
    say("model       step  forecasts  80 % held  95 % held  CRPS / vol  vs ewma_t")
    for row in rows:
        skill = row.skill_crps_vs.get("ewma_t")
        told = "" if skill is None else f"{skill:+.1%}"
        say(
            f"{row.model:<10}  {row.step:>4}  {row.windows:>9,}  "
            f"{row.coverage_80:>9.1%}  {row.coverage_95:>9.1%}  {row.crps:>10.4f}  "
            f"{told:>9}"
        )
    words = words_of("en")
    for one in monitors:
        told_here = monitor_of(one.to_dict(), words)
        say(f"{told_here['state']:<8} {told_here['said']}")


def _show_symbol(ledger: "Ledger", symbol: str, limit: int, *, as_json: bool) -> None:
    from closecast.serving.daily.summary import told_past

    past = ledger.history(symbol, limit=limit)
    if not past:
        raise LedgerError(_unknown(ledger, symbol))
    if as_json:
        say_json([told_past(one) for one in past])
        return
    for one in past:
        late = "late" if one.entry.late else "live"
        held = "".join("+" if score.in_80 else "-" for score in one.scores)
        told = told_past(one)["steps"][-1]
        say(
            f"{one.entry.cutoff}  {late}  {told['date']}  {told['median']:.6g}   "
            f"{told['low_80']:.6g} .. {told['high_80']:.6g}   80 % held: {held or '?'}"
        )


def _unknown(ledger: "Ledger", symbol: str) -> str:
    import difflib

    known = [one.symbol for one in ledger.symbols()]
    near = difflib.get_close_matches(symbol, known, n=3, cutoff=0.6)
    hint = f"Did you mean {', '.join(near)}?" if near else "Forecast it first."
    return f"Expected a recorded symbol, got {symbol!r} ({ledger.name}). {hint}"
