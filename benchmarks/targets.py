"""What the engine has to reach, beside what was measured.

Reads the results that the other benchmarks wrote and prints one table: reached, missed,
not measured. A figure is of the machine that its file names; the share of the peak,
where it stands beside it, is what travels from one machine to another.

    python benchmarks/targets.py
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Target:
    """A row of the table: where its figure lies, and what it has to be."""

    what: str
    file: str
    path: tuple[str, ...]
    must: float
    stretch: float
    least: bool = False
    """Whether less is better."""

    def figure(self) -> float | None:
        """Read the figure; None where nothing was measured."""
        return lookup(self.file, self.path)

    def verdict(self, figure: float | None) -> str:
        """Say how far it came."""
        if figure is None:
            return "not measured"
        sign = -1 if self.least else 1
        if sign * figure >= sign * self.stretch:
            return "stretch"
        return "reached" if sign * figure >= sign * self.must else "missed"


def lookup(file: str, path: tuple[str, ...]) -> float | None:
    """Find a figure in a file of results."""
    place = RESULTS / file
    found: Any = json.loads(place.read_text()) if place.exists() else None
    for key in path:
        if isinstance(found, list):
            found = found[int(key)] if found else None
        elif isinstance(found, dict):
            found = found.get(key)
    return found if isinstance(found, int | float) else None


BATCH_128, BATCH_16 = "point, batch 128", "point, batch 16"
SPEED = ("windows_per_cpu_s",)
TARGETS = (
    Target(
        "windows/s, one core, batch 128", "engine.json",
        ("native avx512", "training", BATCH_128, *SPEED), 52_000, 60_000,
    ),
    Target(
        "windows/s, one core, batch 16", "engine.json",
        ("native avx512", "training", BATCH_16, *SPEED), 46_000, 55_000,
    ),
    Target(
        "windows/s, one core, bfloat16", "engine.json",
        ("native, bfloat16", "training", BATCH_128, *SPEED), 70_000, 100_000,
    ),
    Target(
        "windows/s, 32 models, two cores, wall", "engine.json",
        ("native_windows_per_wall_s", "fleet of 32, two threads"), 98_000, 112_000,
    ),
    Target(
        "one model, two cores over one", "engine.json",
        ("native_windows_per_wall_s", "one network, gain of the second core"),
        1.8, 1.95,
    ),
    Target(
        "lab sweep, CPU s", "side_by_side.json",
        ("sweep", "closecast", "1 threads", "cpu_s"), 13.5, 11, least=True,
    ),
    Target(
        "lab sweep, two cores, wall s", "side_by_side.json",
        ("sweep", "closecast", "2 threads", "wall_s"), 6.75, 5.5, least=True,
    ),
    Target(
        "lab task, CPU s", "side_by_side.json",
        ("lab", "closecast", "1 threads", "cpu_s"), 2.9, 2.0, least=True,
    ),
    Target(
        "epoch of 25 million windows, two cores, wall s", "out_of_core.json",
        ("runs", "-1", "epoch_wall_s"), 300, 230, least=True,
    ),
    Target(
        "its memory beyond the panel, MB", "out_of_core.json",
        ("runs", "-1", "rss_beyond_panel_mb"), 300, 300, least=True,
    ),
    Target(
        "distance of the exponent of cost from 1", "out_of_core.json",
        ("exponent_off",), 0.03, 0.03, least=True,
    ),
    Target(
        "one forecast, in process, us", "inference.json",
        ("one window", "native_us"), 30, 12, least=True,
    ),
    Target(
        "windows/s, forecasts, one core", "engine.json",
        ("native avx512", "forecasts", *SPEED), 150_000, 180_000,
    ),
)  # fmt: skip


def share(target: Target) -> str:
    """Give the share of the peak that stands beside a figure, if one does."""
    found = lookup(target.file, (*target.path[:-1], "share_of_peak"))
    return "" if found is None else f"{found:.0%}"


def main() -> None:
    """Print the table, and the machines behind it."""
    rows = [("", "figure", "of peak", "must", "stretch", "")]
    for target in TARGETS:
        figure = target.figure()
        shown = "-" if figure is None else f"{figure:,.6g}"
        rows.append(
            (
                target.what, shown, share(target), f"{target.must:,g}",
                f"{target.stretch:,g}", target.verdict(figure),
            )
        )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
    print("\n".join(sorted({line for target in TARGETS for line in made_on(target)})))


def made_on(target: Target) -> list[str]:
    """Say where a figure comes from; nothing where none is."""
    place = RESULTS / target.file
    found = json.loads(place.read_text()) if place.exists() else {}
    made = found.get("machine") or found.get(target.path[0], {}).get("machine")
    if made is None:
        return []
    return [f"{target.file}: {made['cpu']}, {made['cores']} cores, {made['commit']}"]


if __name__ == "__main__":
    main()
