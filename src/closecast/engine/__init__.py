"""Engines: what trains a fleet of networks and runs them.

Nothing heavy is imported before an engine is chosen.
"""

from closecast.engine.fleet import Engine
from closecast.errors import MissingExtraError, SettingError
from closecast.models.config import require_choice

ENGINES = ("auto", "native", "torch")


def choose_engine(name: str = "auto", device: str = "cpu") -> Engine:
    """Choose what trains and runs the networks.

    Args:
        name: One of ``ENGINES``; ``"auto"`` takes PyTorch, the reference;
            ``"native"`` the C++ kernels, on a CPU only.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on.

    Returns:
        The engine.

    Raises:
        SettingError: No engine has this name, or the device is not there.
        MissingExtraError: Its library is not installed.
    """
    require_choice("engine", name, ENGINES)
    return _native(device) if name == "native" else _torch(device)


def _native(device: str) -> Engine:
    if device != "cpu":
        raise SettingError(
            f"Expected device cpu with the native engine, got {device!r}. "
            "Choose engine torch for another device."
        )
    from closecast.engine.native import NativeEngine

    return NativeEngine()


def _torch(device: str) -> Engine:
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
