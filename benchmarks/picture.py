"""Draw the picture of the README from benchmarks/results/side_by_side.json.

Plain SVG without a library, readable on a light and on a dark page: its colours follow
the reader's preference.

    python benchmarks/picture.py
"""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent
RESULTS = ROOT / "results/side_by_side.json"
OUT = ROOT.parent / "docs/side_by_side.svg"

WIDTH, LABEL, ROW, BAR = 720, 150, 26, 16
CONTENDERS = ("closecast", "PyTorch", "NeuralForecast", "Darts", "Keras")
TITLES = {
    "lab": "One model, 3,486 windows, 20 epochs: CPU seconds from start to saved model",
    "sweep": "Nine models of a 3 x 3 sweep, 20 epochs: CPU seconds",
    "panel": "500 symbols x 2,500 sessions, one epoch: CPU seconds",
}
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .small { font-size: 11px; fill: #59636e; }
.other { fill: #8c959f; } .ours { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; }
  .other { fill: #656c76; } .ours { fill: #4493f8; }
}
"""


def seconds(figures: dict[str, Any]) -> float:
    """Give the CPU seconds of a contender on one thread."""
    return float(figures["1 threads"]["cpu_s"])


def bars(task: dict[str, Any], top: int) -> list[str]:
    """Draw a bar for each contender, the shortest first."""
    rows = {name: one for name, one in task.items() if name in CONTENDERS}
    longest = max(map(seconds, rows.values()))
    parts = []
    for place, name in enumerate(sorted(rows, key=lambda one: seconds(rows[one]))):
        y = top + place * ROW
        width = max((WIDTH - LABEL - 170) * seconds(rows[name]) / longest, 1)
        kind = "ours" if name == "closecast" else "other"
        share = 100 * rows[name]["1 threads"]["share_of_peak"]
        parts += [
            f'<text x="{LABEL - 10}" y="{y + 13}" text-anchor="end">'
            f"{escape(name)}</text>",
            f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{width:.1f}" '
            f'height="{BAR}" rx="2"/>',
            f'<text x="{LABEL + width + 8:.1f}" y="{y + 13}">'
            f"{seconds(rows[name]):.1f} s"
            f'<tspan class="small" dx="8">{share:.0f} % of peak</tspan></text>',
        ]
    return parts


def picture(result: dict[str, Any]) -> str:
    """Draw every task that was measured, and where it was."""
    parts, top = [], 24
    for name, title in TITLES.items():
        if name not in result:
            continue
        parts.append(f'<text class="title" x="0" y="{top}">{escape(title)}</text>')
        rows = bars(result[name], top + 14)
        parts += rows
        top += 14 + len(rows) // 3 * ROW + 28
    first = next(result[name] for name in TITLES if name in result)
    note = (
        f"{first['machine']['cpu']}, one thread, "
        f"{first['peak_gflops_of_a_core']:.0f} GFLOP/s "
        "peak. Other libraries neither test for leaks nor validate."
    )
    parts.append(f'<text class="small" x="0" y="{top - 6}">{escape(note)}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 6}" '
        f'viewBox="0 0 {WIDTH} {top + 6}" role="img">'
        f"<title>closecast beside other libraries</title><style>{STYLE}</style>"
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    OUT.write_text(picture(json.loads(RESULTS.read_text())))
