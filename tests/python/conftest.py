"""What the tests of the Python module share: one tiny model, loaded once a backend."""

from __future__ import annotations

import importlib.util

import pytest
from built import build_dir

BACKENDS = ["executorch", "aoti"]


def pytest_collection_modifyitems(items):
    here = str(__file__).rpartition("/")[0]
    if importlib.util.find_spec("weft._native") is None:
        skip = pytest.mark.skip(reason=f"the native module is not built in {build_dir() / 'lib' / 'weft'}")
        for item in items:
            if str(item.path).startswith(here):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def loaded(exported):
    """loaded(backend) -> weft.Model of the tiny Llama."""
    import weft

    models = {}

    def load(backend):
        if backend not in models:
            models[backend] = weft.load(exported("llama", backend), threads=1)
        return models[backend]

    return load


@pytest.fixture(params=BACKENDS)
def model(loaded, request):
    return loaded(request.param)
