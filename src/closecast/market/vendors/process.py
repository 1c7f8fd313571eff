"""The process that holds a vendor's library: started when asked, ended when it hangs.

Which Python runs it can be chosen, so that a library may live in an environment of its
own. Names and passwords pass through the environment alone, and only to the vendor
that they are for.
"""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from closecast.errors import SettingError
from closecast.market.vendors import child, wire

SECRETS = {"krx": child.SECRETS}
"""Variables of the environment that only this vendor's process sees."""


class VendorProcess:
    """A vendor's process.

    Args:
        module: The vendor's file in this folder.
        python: The Python that runs it; None takes ``CLOSECAST_<MODULE>_PYTHON`` of
            the environment, or else the one that runs us.
    """

    def __init__(self, module: str, python: str | None = None) -> None:
        self.module = module
        self.python = python
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def ask(
        self, question: wire.Question, within_s: float
    ) -> wire.Table | wire.Listing:
        """Ask a question and wait for the answer.

        Args:
            question: What is asked.
            within_s: Seconds after which the process is ended.

        Returns:
            The answer.

        Raises:
            Fault: There is no data, or no answer in time.
        """
        process = self._running()
        assert process.stdin is not None  # noqa: S101  it is a pipe
        try:
            process.stdin.write(wire.encoded(question))
            process.stdin.flush()
            line = self._lines.get(timeout=within_s)
        except queue.Empty:
            self.close()
            message = f"no answer within {within_s:g} s"
            raise wire.Fault(kind="unavailable", why=message) from None
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            message = "its process ended before it answered"
            raise wire.Fault(kind="unavailable", why=message)
        return wire.decoded(line)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            self._process = self._started()
            self._lines = queue.Queue()
            reader = (self._process.stdout, self._lines)
            threading.Thread(target=_read, args=reader, daemon=True).start()
        return self._process

    def _started(self) -> "subprocess.Popen[str]":
        variable = f"CLOSECAST_{self.module.upper()}_PYTHON"
        python = self.python or os.environ.get(variable) or sys.executable
        try:
            return subprocess.Popen(  # noqa: S603  a program of ours
                [python, "-P", "-X", "utf8", str(Path(child.__file__)), self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env=_environment(self.module, os.environ),
            )
        except OSError as error:
            raise SettingError(
                f"Expected a Python in {variable}, got {python!r} ({error.strerror}). "
                "Give the path of the Python that has the vendor's library."
            ) from error


def _environment(module: str, ours: Mapping[str, str]) -> dict[str, str]:
    hidden = {n for owner, names in SECRETS.items() if owner != module for n in names}
    hidden |= {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"}
    return {name: value for name, value in ours.items() if name not in hidden}


def _read(stream: "object", lines: "queue.Queue[str]") -> None:
    for line in stream:  # type: ignore[attr-defined]
        lines.put(line)
    lines.put("")
