"""The program of a vendor's own process: it answers questions, line by line.

It is run by its path, under a Python of the user's choice, so that a vendor's library
may need other versions than we do, change fonts, print, log in at import or hang,
without any of it reaching the process that forecasts. Standard output carries answers
alone: what a library prints goes nowhere.
"""

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TextIO

SECRETS = ("KRX_ID", "KRX_PW")
"""Variables whose values appear in no message."""


def main(vendor: str) -> None:
    """Answer questions until there are no more.

    Args:
        vendor: Module in ``closecast.market.vendors`` that knows the vendor.
    """
    answers = _answers()
    _know_ourselves()
    from closecast.market.vendors import wire

    module = importlib.import_module(f"closecast.market.vendors.{vendor}")
    for line in sys.stdin:
        question = wire.Question(**json.loads(line))
        try:
            answer = module.answer(question)
        except wire.Fault as fault:
            answer = wire.Fault(
                kind=fault.kind,
                why=_discreet(fault.why),
                retry_after_s=fault.retry_after_s,
            )
        except ModuleNotFoundError as error:
            answer = wire.Fault(kind="missing", why=str(error.name))
        except Exception as error:
            words = _discreet(f"{type(error).__name__}: {error}")
            answer = wire.Fault(kind="unavailable", why=words)
        answers.write(wire.answered(answer))
        answers.flush()


def _answers() -> TextIO:
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return own


def _know_ourselves() -> None:
    # Ours alone is found by its path; all else is this Python's own.
    package = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location(
        "closecast", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        message = f"Expected closecast in {package}"
        raise ImportError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules["closecast"] = module
    spec.loader.exec_module(module)


def _discreet(words: str) -> str:
    for name in SECRETS:
        value = os.environ.get(name)
        words = words.replace(value, f"[{name}]") if value else words
    return " ".join(words.split())[:300]


if __name__ == "__main__":
    main(sys.argv[1])
