"""What holds for every test."""

import os
import shutil

import pytest
from hypothesis import settings

from closecast.experiments.index import INDEX_VARIABLE

# Where there is no GPU its kernels are interpreted; Triton asks when it is imported.
if shutil.which("nvidia-smi") is None:
    os.environ["TRITON_INTERPRET"] = "1"

# A busy machine is no failure: no example is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def own_index(tmp_path_factory):
    """Tests, and the processes that they start, have an index of their own."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("index") / "index.sqlite"
        patch.setenv(INDEX_VARIABLE, str(path))
        yield path
