"""Work in a process of its own, to be killed at any moment, and what it says."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import TextIO


def forked(do: Callable[[], None]) -> tuple[int, TextIO]:
    """Do something in a new process; give its number and what it says.

    The parent has loaded the libraries and opened nothing, so that a process costs
    little and knows nothing.
    """
    read, write = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process:
        os.close(write)
        return process, os.fdopen(read)
    os.close(read)
    status = 1
    try:
        sys.stdout = os.fdopen(write, "w")
        do()
        sys.stdout.flush()
        status = 0
    except BaseException:  # the parent sees the status, and a person the reason
        traceback.print_exc()
    finally:
        os._exit(status)
