"""The judge: scores, tests and a verdict in words.

It sees forecasts and what happened, and knows no model, so that an LSTM and a
naive line are judged alike.
"""

from closecast.evaluation.calibration import Calibration, calibrate
from closecast.evaluation.copycat import Copycat, check_copycat
from closecast.evaluation.ranking import Ranking, rank_symbols
from closecast.evaluation.rows import Row
from closecast.evaluation.scoreboard import Scoreboard, score
from closecast.evaluation.significance import DieboldMariano, diebold_mariano

__all__ = [
    "Calibration",
    "Copycat",
    "DieboldMariano",
    "Ranking",
    "Row",
    "Scoreboard",
    "calibrate",
    "check_copycat",
    "diebold_mariano",
    "rank_symbols",
    "score",
]
