from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stages.processes import Together


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    with Together(tmp_path_factory.mktemp("pair")) as pair:
        yield pair
