"""Which engine serves, and why: a name, an environment variable, or what is there.

Nothing heavy is imported before an engine is chosen.
"""

import os
import warnings
from dataclasses import dataclass
from functools import cache

from closecast.engine.fleet import Engine
from closecast.errors import ClosecastWarning, MissingExtraError, SettingError
from closecast.models.config import require_choice

ENGINES = ("auto", "native", "torch")

OVERRIDE = "CLOSECAST_ENGINE"
"""Environment variable that says what ``auto`` means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The engine that serves.

    Attributes:
        name: ``"native"`` or ``"torch"``.
        why: What decided, as half a sentence.
    """

    name: str
    why: str


def decide(name: str = "auto", device: str = "cpu") -> Choice:
    """Decide which engine serves, without loading it.

    Args:
        name: One of ``ENGINES``; ``"auto"`` takes what the environment variable
            ``CLOSECAST_ENGINE`` names, else the native engine on a CPU where it was
            built, else PyTorch.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on.

    Returns:
        Its name, and why it is that one.

    Raises:
        SettingError: No engine has this name, or it does not run on the device.
    """
    require_choice("engine", name, ENGINES)
    if name != "auto":
        return _on(device, Choice(name=name, why="asked for by name"))
    wanted = os.environ.get(OVERRIDE, "auto")
    require_choice(OVERRIDE, wanted, ENGINES)
    if wanted == "auto" and device != "cpu":
        return Choice(name="torch", why="the native engine runs on a CPU only")
    if wanted != "torch" and not _built():
        _say_once(
            "The native engine was not built here: the torch engine serves, more "
            "slowly. Install closecast where a C++ compiler is."
        )
        return Choice(name="torch", why="the native engine was not built here")
    if wanted == "auto":
        return Choice(name="native", why="its kernels were built here")
    return _on(device, Choice(name=wanted, why=f"{OVERRIDE} names it"))


def choose_engine(name: str = "auto", device: str = "cpu") -> Engine:
    """Choose what trains and runs the networks.

    Args:
        name: As in ``decide``.
        device: As in ``decide``.

    Returns:
        The engine.

    Raises:
        SettingError: No engine has this name, or the device is not there.
        MissingExtraError: Its library is not installed.
    """
    if decide(name, device).name == "torch":
        return _torch(device)
    from closecast.engine.native import NativeEngine

    return NativeEngine()


def _on(device: str, choice: Choice) -> Choice:
    if choice.name == "native" and device != "cpu":
        raise SettingError(
            f"Expected device cpu with the native engine, got {device!r} "
            f"({choice.why}). Choose engine torch for another device."
        )
    return choice


def _built() -> bool:
    from closecast.engine.native import is_built

    return is_built()


@cache
def _say_once(sentence: str) -> None:
    warnings.warn(sentence, ClosecastWarning, stacklevel=4)


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
