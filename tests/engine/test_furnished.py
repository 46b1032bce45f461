"""What a sweep makes ready beside the start of Ray."""

from __future__ import annotations

import threading
from pathlib import Path
from threading import Event

import pytest

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import Prepared, prepare
from doge_ray.engine.store import StageStore
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
    store = StageStore(prepared.store.root)  # which knows nothing yet
    return [store.result(prepared.graph.initial(seed)) is not None for seed in seeds]


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


def test_whoever_is_interrupted_does_not_wait(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a storage that does not answer; of what was not begun nothing is done any more."""
    begun, answers, asked = Event(), Event(), list[int]()

    def initialise(_: Prepared, seed: int) -> None:
        asked.append(seed)
        begun.set()
        answers.wait()

    monkeypatch.setattr(Prepared, "initialise", initialise)

    def interrupted() -> None:
        with furnished(prepared):
            assert begun.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not answers.is_set()
    (beside,) = (thread for thread in threading.enumerate() if "furnish" in thread.name)
    answers.set()
    beside.join(60)
    assert len(asked) == 1
