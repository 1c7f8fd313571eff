"""The model card: what a version is, what it is worth and what it is not for.

It is made from the version's manifest, model and scoreboard alone; a figure that is
not there is said to be missing.

Source: Mitchell et al. (2019), Model Cards for Model Reporting,
doi:10.1145/3287560.3287596.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from closecast.serving.shelf import Version
from closecast.serving.shelf_log import Entry
from closecast.training.checkpoint import MODEL

BASELINES = ("zero", "ewma_t", "har_t", "garch_t")
"""Baselines that the card shows, where the scoreboard has them."""

LIMITS = (
    "It forecasts closes of the next sessions from bars of one session each, of "
    "symbols like those that it was trained on. It knows no news, no fundamentals and "
    "no orders.",
    "The figures are of the test block named above. Another period or market may say "
    "otherwise, and the ledger says how it has done since.",
    "It is no advice to buy or to sell. Where the verdict finds no evidence of skill "
    "in the mean, its median is no better a guess of direction than the last close.",
)


def card_of(version: Version, log: Sequence[Entry]) -> str:
    """Write a version's card.

    Args:
        version: The version, its files checked.
        log: What was done on the shelf.

    Returns:
        Markdown.
    """
    path = version.folder / "model" / MODEL
    model = json.loads(path.read_text(encoding="utf-8"))
    board = version.scoreboard()
    parts = [
        _head(version),
        _verdict(board),
        _figures(board),
        _training(model),
        _leaks(board),
        _section("What it is not for", _points(LIMITS)),
        _section("Settings", _table(("setting", "value"), model["settings"].items())),
        _section(
            "Files", _table(("file", "SHA-256"), version.manifest["files"].items())
        ),
        _section("On the shelf", _points(_said(version, log))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(version: Version) -> str:
    manifest = version.manifest
    return (
        f"# Model card: version {version.number}\n\n"
        f"Put on the shelf on {manifest['added_at'][:10]} from "
        f"{_cell(manifest['source'])}, by closecast {manifest['closecast']}: "
        f"{_cell(manifest['reason'])}\n\n"
        f"Model `{version.model_hash}`"
    )


def _verdict(board: Mapping[str, Any] | None) -> str:
    if board is None:
        return _section(
            "Verdict", "Not judged: it was put on the shelf without a scoreboard."
        )
    text = f"**{board['verdict']}**"
    if board.get("suspicious"):
        text += "\n\nA figure is too good for prices. Look for a leak first."
    return _section("Verdict", f"{text}\n\n{_points(board['why'])}")


def _figures(board: Mapping[str, Any] | None) -> str:
    if board is None:
        return ""
    own = [row for row in board["rows"] if row["model"] == board["rows"][0]["model"]]
    against = [name for name in BASELINES if name in own[0]["skill_crps_vs"]]
    head = ("session", "CRPS", "RMSE", "in 80 %", "in 95 %", *map(_skill_vs, against))
    rows = [
        (
            row["horizon"],
            f"{row['crps']:.4f}",
            f"{row['rmse']:.4f}",
            f"{row['coverage_80']:.1%}",
            f"{row['coverage_95']:.1%}",
            *(f"{row['skill_crps_vs'][name]:+.2%}" for name in against),
        )
        for row in own
    ]
    test = board.get("split", {}).get("test")
    of = f"Test block {test['first']} to {test['last']}, " if test else ""
    note = (
        f"{of}{board['num_windows']:,} windows. CRPS is in units of the symbol's "
        "volatility, RMSE in log return, skill is 1 - CRPS / CRPS of the baseline."
    )
    return _section("Figures", f"{_table(head, rows)}\n\n{note}")


def _training(model: Mapping[str, Any]) -> str:
    seen, versions = model["trained_on"], model["versions"]
    return _section(
        "Training",
        _points(
            (
                f"{seen['train_windows']:,} windows of {seen['symbols']} symbols, bars "
                f"of {seen['first_date']} to {seen['last_date']}; "
                f"{seen['validation_windows']:,} windows of validation up to "
                f"{seen['validation_last_date']}.",
                f"Data `{seen['fingerprint']}`",
                f"Best epoch {model['best_epoch']}; engine {seen['engine']}.",
                ", ".join(f"{name} {number}" for name, number in versions.items()),
            )
        ),
    )


def _leaks(board: Mapping[str, Any] | None) -> str:
    tests = (board or {}).get("leak_tests")
    if not tests:
        return ""
    rows = [
        (name.replace("_", " "), "passed" if one["passed"] else "FAILED", one["detail"])
        for name, one in tests.items()
    ]
    return _section("Leak tests", _table(("test", "outcome", "what was seen"), rows))


def _said(version: Version, log: Sequence[Entry]) -> Iterator[str]:
    for entry in log:
        if entry.version == version.number:
            yield f"{entry.at[:10]} {entry.action}: {_cell(entry.reason)}"


def _skill_vs(name: str) -> str:
    return f"skill against {name}"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _points(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def _cell(value: object) -> str:
    # what a person wrote must not end a cell or begin markup
    text = str(value).replace("\n", " ")
    for sign in "\\|<`*[":
        text = text.replace(sign, f"\\{sign}")
    return text
