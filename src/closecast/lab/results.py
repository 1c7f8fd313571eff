"""Results of experiments: one JSON file each, named by what was set.

The name holds a hash of the whole setting: the same setting is the same file, and two
settings never write over each other.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from closecast.errors import SettingError
from closecast.experiments.run import read_json, write_json

RESULTS = "results"
"""The folder, from where the notebook runs."""

HASH_DIGITS = 12


def save_exp_result(
    setting: Mapping[str, Any],
    result: Mapping[str, Any],
    folder: str | Path = RESULTS,
) -> Path:
    """Write what an experiment was given and what came of it.

    Args:
        setting: Every argument of the experiment; ``exp_name`` names it.
        result: What ``experiment`` returned beside the setting.
        folder: Where to; made if absent.

    Returns:
        The file ``EXP_NAME-HASH.json``.

    Raises:
        SettingError: There is no ``exp_name``, or none that a file can have.
    """
    name = _require_name(setting.get("exp_name"))
    plain = json.loads(json.dumps(dict(setting), default=str))
    text = json.dumps(plain, sort_keys=True)
    digits = hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]
    path = Path(folder) / f"{name}-{digits}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**plain, **result})
    return path


def load_exp_result(exp_name: str, folder: str | Path = RESULTS) -> Any:  # noqa: ANN401
    """Read every result of an experiment.

    Args:
        exp_name: Its name.
        folder: Where ``save_exp_result`` wrote.

    Returns:
        A frame of pandas: one row a result, one column an argument or a figure.

    Raises:
        ModelError: A file cannot be read.
        SettingError: There is no result of this name.
    """
    import pandas as pd

    paths = sorted(Path(folder).glob("*.json"))
    records = [read_json(path) for path in paths]
    rows = [record for record in records if record.get("exp_name") == exp_name]
    if not rows:
        names = sorted({str(record.get("exp_name")) for record in records})
        raise SettingError(
            f"Expected results of {exp_name!r} in {folder}, got "
            f"{', '.join(names) or 'none at all'}. Run save_exp_result first, or give "
            "another name or folder."
        )
    return pd.DataFrame(rows)


def _require_name(name: object) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[^\W_][\w .+-]*", name):
        raise SettingError(
            f"Expected exp_name to be letters, digits and . + - _, got {name!r}. Set "
            "args.exp_name."
        )
    return name
