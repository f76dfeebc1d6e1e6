"""A store that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.process import OwnStore


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStore]:
    """A running store of the module's own, with a read-only user."""
    directory = tmp_path_factory.mktemp("own")
    store = OwnStore(directory / "data", directory / "store.log").start()
    yield store
    store.kill()
