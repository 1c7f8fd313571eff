"""``closecast daily``: forecast, record, score, tell; once, or after every close."""

import datetime as dt
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.options import AsJson
from closecast.cli.screen import complain, note, say, say_json
from closecast.errors import SettingError

if TYPE_CHECKING:
    from closecast.serving.daily.job import Done


def daily(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="The settings of the job.")
    ],
    *,
    init: Annotated[
        bool, typer.Option("--init", help="Write an example of CONFIG.toml, and stop.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run now and after every close.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Forecast the newest sessions, record it before it comes true, score the past.

    Run it after the close, every day; twice does no harm, and missed days are caught
    up and marked late. Exit code 0: done. 1: an error, or a notice that could not be
    sent. 3: the ledger is not as it was written.
    """  # noqa: DOC501
    if init:
        _init(config)
        return
    from closecast.serving.daily.config import read_config
    from closecast.serving.daily.job import daily as run
    from closecast.serving.daily.job import rehearse

    settings = read_config(config)
    if watch:
        _watch(settings, as_json=as_json)
        return
    done = rehearse(settings) if dry_run else run(settings, tell=note)
    _say(done, as_json=as_json)
    raise typer.Exit(1 if done.failures else 0)


def _init(path: Path) -> None:
    from closecast.serving.daily.config import EXAMPLE

    if path.exists():
        raise SettingError(
            f"Expected a file that is not there yet, got {path}. Choose another name."
        )
    path.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    say(f"Settings: {path}. Fill in model, prices and [pull], then run it.")


def _watch(settings: Any, *, as_json: bool) -> None:  # noqa: ANN401  a DailyConfig
    from closecast.serving.daily.watching import Told, watch

    def waiting(until: dt.datetime) -> None:
        note(f"Waiting until {until:%Y-%m-%d %H:%M} UTC. Ctrl-C stops.")

    told = Told(
        done=lambda done: _say(done, as_json=as_json), failed=complain, waiting=waiting
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as systemd stops it
    try:
        watch(settings, told)
    except KeyboardInterrupt:
        note("Stopped. What was recorded stays; the next run goes on from it.")


def _say(done: "Done", *, as_json: bool) -> None:
    for text in done.notes:
        note(text)
    for failure in done.failures:
        note(failure.why)
    if as_json:
        say_json(_plain(done))
    elif done.dry:
        _say_rehearsal(done)
    else:
        _say_run(done)


def _say_run(done: "Done") -> None:
    from closecast.reports.daily import notice_text
    from closecast.reports.language import words_of

    added = sum(one.added for one in done.recorded)
    late = sum(one.late for one in done.recorded)
    dates = ", ".join(map(str, done.cutoffs)) or "no new session"
    place = "" if done.version is None else f"version {done.version} of the shelf, "
    say(f"Model: {place}{done.model_hash[:12]}.")
    say(f"Recorded: {added} forecasts ({dates}), {late} of them late.")
    came = done.matured
    say(
        f"Scored: {came.scored} steps, {came.corrected} corrected, {came.held_back} "
        f"held back, {came.waiting} waiting. Adapted by {done.adapted} windows."
    )
    say(notice_text(done.summary, words_of("en")))


def _say_rehearsal(done: "Done") -> None:
    for one in done.summary["forecasts"]:
        step, late = one["steps"][-1], " (late)" if one["late"] else ""
        say(
            f"{one['symbol']:<10}  {one['cutoff']}{late}  {step['date']}  "
            f"{step['median']:.6g}   {step['low_80']:.6g} .. {step['high_80']:.6g}"
        )
    count = len(done.summary["forecasts"])
    say(f"{count} forecasts would be recorded; nothing was written.")


def _plain(done: "Done") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "as_of": done.as_of.isoformat(timespec="seconds"),
        "model_hash": done.model_hash,
        "version": done.version,
        "dry": done.dry,
        "pulled": None if done.pulled is None else asdict(done.pulled),
        "cutoffs": [str(date) for date in done.cutoffs],
        "recorded": [asdict(one) for one in done.recorded],
        "matured": asdict(done.matured),
        "adapted": done.adapted,
        "summary": dict(done.summary),
        "failures": [asdict(failure) for failure in done.failures],
        "notes": list(done.notes),
    }
