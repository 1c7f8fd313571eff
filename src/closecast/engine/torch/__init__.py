"""The engine on PyTorch: any device, and the reference of the others."""

from closecast.engine.torch.engine import TorchEngine

__all__ = ["TorchEngine"]
