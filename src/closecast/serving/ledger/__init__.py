"""The ledger: every published forecast, stored before its truth exists.

Forecasts are appended and chained by hashes; nothing in the chain is ever changed.
What came is scored in tables beside it. A forecast whose answer could be known when
it was recorded is late, and never counts as live.
"""

from closecast.errors import MissingExtraError

try:
    import sqlalchemy  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError(
        f"Expected SQLAlchemy for the ledger, got no module {error.name!r}. Install "
        "it: pip install 'closecast[ledger]'."
    ) from error

from closecast.serving.ledger.board import BoardRow
from closecast.serving.ledger.chain import Entry, Head
from closecast.serving.ledger.ledger import Ledger, Recorded, Tracked
from closecast.serving.ledger.monitors import Monitor
from closecast.serving.ledger.publication import Publication
from closecast.serving.ledger.truth import Matured, Past, Score

__all__ = [
    "BoardRow",
    "Entry",
    "Head",
    "Ledger",
    "Matured",
    "Monitor",
    "Past",
    "Publication",
    "Recorded",
    "Score",
    "Tracked",
]
