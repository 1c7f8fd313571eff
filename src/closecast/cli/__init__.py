"""The command line: one file a command group, each a thin layer over the package."""

import sys

from closecast.cli.app import app
from closecast.cli.screen import complain, notes
from closecast.errors import ClosecastError, IntegrityError, LeakageError

DONE, BAD_INPUT, ALARM = 0, 1, 3


def main() -> None:
    """Run a command; a user's mistake is one sentence and exit code 1, never more."""
    try:
        with notes():
            app()
    except (LeakageError, IntegrityError) as error:
        complain(error)
        sys.exit(ALARM)
    except (ClosecastError, OSError) as error:
        complain(error)
        sys.exit(BAD_INPUT)
