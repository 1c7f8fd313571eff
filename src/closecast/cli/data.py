"""``closecast data``: look at price files before they are trusted."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli import pull
from closecast.cli.options import require_writable, with_hints
from closecast.cli.screen import file_progress
from closecast.market.findings import Finding

if TYPE_CHECKING:
    from closecast.market.doctor import Examined
    from closecast.market.readers.format import Hints

SHOWN = 100
"""Findings that a terminal shows, the worst first."""

app = typer.Typer(help="Look at price files before they are trusted.")
app.command()(pull.pull)
app.command()(pull.universe)


@app.callback()
def data() -> None:
    """Look at price files before they are trusted."""


@app.command()
@with_hints
def check(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Files or folders; store: and symbols, or sample."
        ),
    ],
    *,
    hints: "Hints",
    out: Annotated[
        Path | None, typer.Option(help="Write a page with the worst spots here.")
    ] = None,
    repair: Annotated[
        Path | None,
        typer.Option(help="Write repaired prices here, a log beside them."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON for other programs.")
    ] = False,
) -> None:
    """List everything that is wrong or odd in price files, by row and date.

    Exit code 0: no errors, warnings perhaps. 1: errors, the file cannot be used.
    """
    for target in filter(None, (out, repair)):
        require_writable(target)
    check_files(files, hints, as_json=json, out=out, repair=repair)


def check_files(
    files: list[str],
    hints: "Hints",
    *,
    as_json: bool,
    out: Path | None = None,
    repair: Path | None = None,
) -> None:
    """Examine price files and say what is wrong.

    Args:
        files: Files, folders, symbols of the store, or the sample.
        hints: What the files cannot say of themselves.
        as_json: Whether to print JSON.
        out: Where a page with the worst spots goes.
        repair: Where repaired prices go.

    Raises:
        Exit: Always: 1 where a file cannot be used, else 0.
    """
    from closecast.market.doctor import examine

    with file_progress("checking") as on_file:
        examined = [examine(file, hints=hints, on_file=on_file) for file in files]
    findings = [finding for one in examined for finding in one.findings]
    if out is not None:
        _write_page(out, files, examined)
    if repair is not None:
        _write_repaired(repair, files, hints)
    checked = sum(one.files for one in examined)
    if as_json:
        _print_json(files, findings, checked)
    else:
        _print_table(findings)
        typer.echo(_summary(findings, checked))
    raise typer.Exit(1 if any(f.severity == "error" for f in findings) else 0)


def _summary(findings: list[Finding], checked: int) -> str:
    from collections import Counter

    errors = [finding for finding in findings if finding.severity == "error"]
    broken = len({finding.file for finding in errors})
    place = f" in {broken:,} files" if broken > 1 else ""
    kinds = Counter(f.kind for f in findings if f.severity == "warning").most_common()
    named = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in kinds)
    return (
        f"Checked: {checked:,} {'file' if checked == 1 else 'files'}. "
        f"Errors: {len(errors):,}{place}. "
        f"Warnings: {len(findings) - len(errors):,}{f' ({named})' if named else ''}."
    )


def _write_page(out: Path, files: list[str], examined: "list[Examined]") -> None:
    from collections import Counter
    from dataclasses import asdict

    from closecast.durable import write_durably
    from closecast.market.checkup import SPOTS, spots_in, worst_first
    from closecast.reports.checkup import page

    findings = worst_first([found for one in examined for found in one.findings])
    spots = [
        spot
        for one in examined
        for spot in spots_in(one.table, worst_first(one.findings))
    ]
    record = {
        "refused_windows": 0,
        "windows": 0,
        "counts": dict(Counter(finding.kind for finding in findings)),
        "findings": [asdict(finding) for finding in findings],
        "spots": spots[:SPOTS],
    }
    write_durably(out, page(files, record).encode())


def _write_repaired(target: Path, files: list[str], hints: "Hints") -> None:
    import json

    from closecast.durable import write_durably
    from closecast.errors import SettingError
    from closecast.market.readers import to_frame
    from closecast.market.repair import repair

    log = target.with_suffix(".repairs.json")
    if len(files) > 1 or target.exists() or log.exists():
        raise SettingError(
            f"Expected one FILE or folder and a new file for its repaired prices, got "
            f"{len(files)} and {target}. Repair them one by one, each into a new one."
        )
    bars, repairs = repair(files[0], hints)
    table = to_frame(bars, "pandas").to_csv(index=False, lineterminator="\n")
    write_durably(target, table.encode())
    changes = [change.to_dict() for change in repairs]
    text = json.dumps(changes, ensure_ascii=False, indent=2) + "\n"
    write_durably(log, text.encode())


def _print_json(files: list[str], findings: list[Finding], checked: int) -> None:
    import json
    from dataclasses import asdict

    errors = sum(finding.severity == "error" for finding in findings)
    answer = {
        "files": files,
        "checked": checked,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [asdict(finding) for finding in findings],
    }
    typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def _print_table(findings: list[Finding]) -> None:
    from closecast.market.checkup import worst_first

    if not findings:
        return
    if not sys.stdout.isatty():
        for finding in findings:
            typer.echo(
                f"{finding.severity}: {finding.message} Training {finding.training}."
            )
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "file", "row", "symbol", "date", "what", "what to do", "training")
    for finding in worst_first(findings)[:SHOWN]:
        row = "" if finding.row is None else str(finding.row)
        place = (finding.file, row, finding.symbol or "", finding.date or "")
        style = "red" if finding.severity == "error" else "yellow"
        words = (*place, finding.what, finding.remedy, finding.training)
        table.add_row(Text(finding.severity, style), *(Text(word) for word in words))
    Console().print(table)
    if len(findings) > SHOWN:
        typer.echo(f"And {len(findings) - SHOWN:,} more: see --out, --json or a pipe.")
