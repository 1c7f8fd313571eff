"""The engine in C++: the whole training step, near the limit of a processor.

A window lies in a lane of a vector, and a member of the fleet on a thread of its own.
Nothing compiled is loaded before an engine is made.
"""

from closecast.engine.native.engine import NativeEngine
from closecast.engine.native.kernels import INSTRUCTION_SETS, is_built, supported

__all__ = ["INSTRUCTION_SETS", "NativeEngine", "is_built", "supported"]
