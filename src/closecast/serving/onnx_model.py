"""A model whose networks run in ONNX Runtime: neither PyTorch nor our kernels serve.

The file is the one beside the model on the shelf. Windows are cut and outputs are read
as for any model; only the networks in between are ONNX Runtime's.
"""

from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Int

from closecast.errors import MissingExtraError, ModelError
from closecast.training.model import TrainedModel
from closecast.windows.scaling import WindowData, gather_contexts

THREADS = 1
"""Threads of a run: a request has one window, and the server has threads of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxModel(TrainedModel):
    """A trained model with an ONNX session.

    Attributes:
        session: Runs the networks.
    """

    session: Any

    @classmethod
    def of(cls, model: TrainedModel, path: Path) -> Self:
        """Let ONNX Runtime run a model's networks.

        Args:
            model: The model.
            path: Its ONNX file.

        Returns:
            The model.

        Raises:
            MissingExtraError: ONNX Runtime is not installed.
            ModelError: There is no such file.
        """
        if find_spec("onnxruntime") is None:
            raise MissingExtraError(
                "Expected onnxruntime to serve an ONNX file, got no installation of "
                "it. Install it with: pip install onnxruntime"
            )
        if not path.is_file():
            raise ModelError(
                f"Expected a version with an ONNX file, got one without ({path}). Put "
                "it on the shelf with --onnx."
            )
        import onnxruntime as ort  # type: ignore[import-untyped]

        options = ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = ort.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        known = {field.name: getattr(model, field.name) for field in fields(model)}
        return cls(**known, session=session)

    def outputs(
        self, data: WindowData, cutoffs: Int[np.ndarray, " window"]
    ) -> list[np.ndarray]:
        """Run the networks.

        Args:
            data: Windows, with the states that the networks read.
            cutoffs: Rows of the last known bars.

        Returns:
            What the last layer of each network gives, shape (window, horizon, param).
        """
        contexts = gather_contexts(data.logs, cutoffs, data.spec)
        given = {"context": contexts, "scale": data.scale[cutoffs]}
        if self.settings.network.state_size:
            given["state"] = data.state[cutoffs]
        single = {name: values.astype(np.float32) for name, values in given.items()}
        (raw,) = self.session.run(["raw"], single)
        return list(np.asarray(raw, np.float64))
