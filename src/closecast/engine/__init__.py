"""Engines: what trains a fleet of networks and runs them.

Nothing heavy is imported before an engine is chosen.
"""

from closecast.engine.fleet import Engine
from closecast.errors import MissingExtraError
from closecast.models.config import require_choice

ENGINES = ("auto", "torch")


def choose_engine(name: str = "auto", device: str = "cpu") -> Engine:
    """Choose what trains and runs the networks.

    Args:
        name: One of ``ENGINES``; ``"auto"`` takes the best that is installed.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on.

    Returns:
        The engine.

    Raises:
        SettingError: No engine has this name, or the device is not there.
        MissingExtraError: Its library is not installed.
    """  # noqa: DOC501
    require_choice("engine", name, ENGINES)
    try:
        from closecast.engine.torch import TorchEngine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(
            "Expected PyTorch for the engine, got no installation of it. "
            'Install it with: pip install "closecast[torch]"'
        ) from error
    return TorchEngine(device)
