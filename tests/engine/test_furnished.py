"""What a sweep makes ready beside the start of Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import Prepared, prepare
from doge_ray.engine.sweep import furnished
from doge_ray.seeds import trial_seed
from tests.engine.project import make_project


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    config = load_config(str(make_project(tmp_path, replicates=3)))
    return prepare(config, load_corpus(config.data), find_model(config.model))


def is_there(prepared: Prepared) -> list[bool]:
    """Whether θ0 is published, of every seed."""
    seeds = [trial_seed(prepared.config.seed, replicate) for replicate in range(4)]
    prepared.store.forget()
    return [prepared.store.result(prepared.graph.initial(seed)) is not None for seed in seeds]


def test_all_of_it_is_there_in_the_end(prepared: Prepared) -> None:
    with furnished(prepared):
        pass
    assert is_there(prepared) == [True] * 4
    assert (Path(prepared.config.storage) / "mlflow.db").is_file()


def test_what_goes_wrong_is_told_of(prepared: Prepared) -> None:
    weights = next(Path(prepared.config.model).glob("*.safetensors"))
    weights.write_bytes(b"cut off")
    with pytest.raises(Exception, match=r"model\.safetensors"), furnished(prepared):
        pass


def test_an_interrupted_start_leaves_the_rest(prepared: Prepared) -> None:
    with pytest.raises(KeyboardInterrupt), furnished(prepared):
        raise KeyboardInterrupt
    assert not all(is_there(prepared))
