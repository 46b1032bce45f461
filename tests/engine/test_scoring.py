"""Which models are refused before they are scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.folders import save_model
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.tokenizer import load_tokenizer
from doge_ray.engine.prepare import prepare
from doge_ray.engine.work.scoring import model_to_score
from doge_ray.errors import InputError
from tests.engine.project import make_project


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["1", "0"], "classes in the order 1, 0, the data of 'tiny' in the order 0, 1"),
        (["0", "1", "2"], "tells 3 classes apart, the data of 'tiny' has 2"),
        (["0", "1"], None),
        (["LABEL_0", "LABEL_1"], None),
    ],
)
def test_classes_must_be_those_of_the_data(
    names: list[str], problem: str | None, tmp_path: Path
) -> None:
    path = make_project(tmp_path)
    model = initial_model(tmp_path / "model", names, seed=0)
    tokenizer = load_tokenizer(tmp_path / "model")
    save_model(model, tmp_path / "tuned", tokenizer)
    config = load_config(str(path), [f"model={tmp_path / 'tuned'}"])
    corpus = load_corpus(config.data)
    if problem is None:
        assert len(model_to_score(config, corpus, tmp_path / "tuned").data.train) == len(
            corpus.train["red"]
        ) + len(corpus.train["green"]) + len(corpus.train["blue"])
        return
    with pytest.raises(InputError, match=problem):
        model_to_score(config, corpus, tmp_path / "tuned")


def test_texts_longer_than_the_models_positions_are_refused(tmp_path: Path) -> None:
    path = make_project(tmp_path)
    file = tmp_path / "model" / "tokenizer_config.json"
    file.write_text(file.read_text().replace('"model_max_length": 32,', ""))
    config = load_config(str(path), ["train.max_length=64", f"model={tmp_path / 'model'}"])
    corpus = load_corpus(config.data)
    with pytest.raises(InputError, match=r"train\.max_length=64 is more than the 32 positions"):
        prepare(config, corpus, tmp_path / "model")
