"""How near the mean pinball loss over 39 levels comes to the exact CRPS.

Prints twice the mean pinball loss divided by the exact CRPS, as a table in Markdown.

    python benchmarks/crps_levels.py
"""

import numpy as np
from scipy import stats
from scoringrules import crps_t

from closecast.forecast import LEVELS

DRAWS = 200_000
WIDTHS = (0.7, 1.0, 1.5)


def ratio(truth: np.ndarray, df: int, width: float) -> float:
    """Divide the score of the levels by the exact one."""
    error = truth[:, None] - width * stats.t.ppf(LEVELS, df)
    pinball = np.maximum(LEVELS * error, (LEVELS - 1) * error)
    return float(2 * pinball.mean() / crps_t(truth, df, 0.0, width).mean())


def main() -> None:
    """Draw, score and say it."""
    print("| degrees of freedom | width x 0.7 | right width | width x 1.5 |")
    print("|---|---|---|---|")
    for df in (3, 4, 8, 100):
        truth = stats.t.rvs(df, size=DRAWS, random_state=1)
        row = " | ".join(f"{ratio(truth, df, width):.4f}" for width in WIDTHS)
        print(f"| {df} | {row} |")


if __name__ == "__main__":
    main()
