"""A trained model for other programs: its networks as one ONNX file."""

import json
from pathlib import Path

from closecast.durable import write_durably
from closecast.models.onnx_graph import onnx_bytes
from closecast.training.model import TrainedModel
from closecast.windows.scaling import FEATURES, HALF_LIFE


def export_onnx(model: TrainedModel, path: Path | str) -> Path:
    """Write a model as an ONNX file.

    The file takes windows and gives the head's parameters; see
    ``closecast.models.onnx_graph``. Its metadata say which features it reads, in which
    order, and what it was trained on.

    Args:
        model: The model.
        path: The file to write.

    Returns:
        The file.

    Raises:
        MissingExtraError: ``onnx`` is not installed.
    """
    settings = model.settings
    notes = {
        "head": settings.head,
        "features": ",".join(FEATURES),
        "context": "log(bar / last bar of the context), oldest bar first",
        "scale": f"standard deviation of one session's log return, weights halved "
        f"every {HALF_LIFE} sessions",
        "unit": "log return / (scale x sqrt(step))",
        "settings": json.dumps(settings.to_dict(), sort_keys=True),
        "trained_on": json.dumps(model.trained_on, sort_keys=True),
    }
    if model.residual_scale is not None:
        spreads = [member.residual_scale for member in model.members]
        notes["residual_scale"] = json.dumps(
            [None if spread is None else spread.tolist() for spread in spreads]
        )
    shares = [member.mean_share for member in model.members]
    if any(share is not None for share in shares):
        notes["mean_share"] = json.dumps(
            [None if share is None else share.tolist() for share in shares]
        )
    stretches = [member.stretch for member in model.members]
    if any(stretch is not None for stretch in stretches):
        notes["stretch"] = json.dumps(
            [None if stretch is None else stretch.tolist() for stretch in stretches]
        )
    networks = [member.weights for member in model.members]
    content = onnx_bytes(settings.network, settings.context_length, networks, notes)
    write_durably(Path(path), content)
    return Path(path)
