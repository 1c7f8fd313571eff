"""What all tests share: none of them counts in the index of whoever runs them."""

import pytest

from closecast.experiments.index import INDEX_VARIABLE


@pytest.fixture(autouse=True, scope="session")
def own_index(tmp_path_factory):
    """Tests, and the processes that they start, have an index of their own."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("index") / "index.sqlite"
        patch.setenv(INDEX_VARIABLE, str(path))
        yield path
