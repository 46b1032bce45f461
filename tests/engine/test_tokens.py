"""Model, tokenizer and data that do not fit each other are refused before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import BertModel, RobertaConfig, RobertaModel

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import Prepared, prepare
from doge_ray.errors import InputError
from tests.engine.project import WORDS, make_project


def edit(file: Path, drop: str = "", **values: Any) -> None:
    content = json.loads(file.read_text()) | values
    file.write_text(json.dumps({key: value for key, value in content.items() if key != drop}))


def prepared(folder: Path) -> Prepared:
    config = load_config(str(folder / "sweep.yaml"))
    return prepare(config, load_corpus(config.data), find_model(config.model))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_project(tmp_path)
    return tmp_path


def know(folder: Path, token: str, index: int) -> None:
    """Let the tokenizer know one token more than the model has embeddings for."""
    file = folder / "model/tokenizer.json"
    more = {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False}
    content = json.loads(file.read_text())
    content["added_tokens"].append(more | {"normalized": False, "special": True})
    file.write_text(json.dumps(content))


def test_a_token_without_an_embedding_that_a_target_has(project: Path) -> None:
    know(project, "<user>", 64)
    prepared(project)  # it stands in no text
    with (project / "data.jsonl").open("a") as end:
        end.write(json.dumps({"text": "w1 <user> w2", "label": 1, "domain": "grey"}) + "\n")
    with pytest.raises(InputError, match=r"'<user>' of the data token 64, .* embeddings for 64"):
        prepared(project)


def test_a_tokenizer_without_padding(project: Path) -> None:
    expected = prepared(project)
    edit(project / "model/tokenizer_config.json", drop="pad_token")
    with pytest.raises(InputError, match="no token with which short texts are filled up; set pad_"):
        prepared(project)
    edit(project / "model/tokenizer_config.json", pad_token="[PAD]")
    assert prepared(project).data.train.padding == expected.data.train.padding


def as_roberta(folder: Path, padding: int) -> None:
    """The project with a RoBERTa, whose positions are counted from behind its padding's index."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = RobertaConfig(vocab_size=64, intermediate_size=64, pad_token_id=padding, **sizes)
    RobertaModel(config).save_pretrained(folder / "model")


def test_a_padding_that_shifts_all_positions(project: Path) -> None:
    as_roberta(project, 1)
    message = r"'\[PAD\]', the tokenizer's padding, is token 0, but the model counts positions behi"
    with pytest.raises(InputError, match=message):
        prepared(project)
    as_roberta(project, 0)
    prepared(project)


def test_types_of_second_texts(project: Path) -> None:
    """One embedding for types, and a tokenizer that numbers a pair's texts 0 and 1."""
    model = BertModel.from_pretrained(project / "model")
    weights = model.embeddings.token_type_embeddings
    weights.weight.data = weights.weight.data[:1].clone()
    model.config.type_vocab_size = 1
    model.save_pretrained(project / "model")
    prepared(project)
    file = project / "model/tokenizer.json"
    content = json.loads(file.read_text())
    content["post_processor"]["single"][1]["Sequence"]["type_id"] = 1
    file.write_text(json.dumps(content))
    names = ["input_ids", "token_type_ids", "attention_mask"]
    edit(project / "model/tokenizer_config.json", model_input_names=names)
    with pytest.raises(InputError, match=r"the type 1, but the model has embeddings for 1 type"):
        prepared(project)


def change(folder: Path, name: str, change: Any) -> None:
    """Change a part of the tokenizer."""
    file = folder / "model/tokenizer.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {name: change(content[name])}))


def test_a_tokenizer_that_cannot_read_the_data(project: Path) -> None:
    def without_a_word(model: dict[str, Any]) -> dict[str, Any]:
        vocabulary = {word: n for word, n in model["vocab"].items() if word != WORDS[30]}
        return model | {"vocab": vocabulary, "unk_token": "[UNKNOWN]"}

    change(project, "model", without_a_word)
    with pytest.raises(InputError, match=r"/model: the tokenizer cannot read the data \(WordLevel"):
        prepared(project)


def test_a_tokenizer_without_special_tokens_is_told_of(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(project)
    assert "[CLS]" not in capsys.readouterr().err
    change(project, "post_processor", lambda processor: None)
    prepared(project)
    assert "/model: the tokenizer puts no tokens such as [CLS]" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [[], ["tokenizer_config.json"]])
def test_a_folder_without_a_vocabulary(project: Path, kept: list[str]) -> None:
    for file in (project / "model").glob("*token*"):
        if file.name not in kept:
            file.unlink()
    for file in kept:
        edit(project / "model" / file, tokenizer_class="BertTokenizer")
    with pytest.raises(InputError, match=r"the tokenizer cannot read the data: .*vocabulary"):
        prepared(project)


def test_some_words_may_be_unknown(project: Path) -> None:
    with (project / "data.jsonl").open("a") as end:
        end.write(json.dumps({"text": "never seen w2", "label": 1, "domain": "grey"}) + "\n")
    prepared(project)


def test_a_padding_beyond_the_embeddings(project: Path) -> None:
    edit(project / "model/tokenizer_config.json", pad_token="[NEW]")
    with pytest.raises(InputError, match=r"'\[NEW\]', the tokenizer's padding, is token 64, but"):
        prepared(project)


def test_a_model_that_names_no_padding(project: Path) -> None:
    as_roberta(project, 0)
    edit(project / "model/config.json", pad_token_id=None)
    with pytest.raises(InputError, match="pad_token_id is null, and positions of roberta"):
        prepared(project)


@pytest.mark.parametrize("length", ["32", 0, -1])
def test_a_length_that_is_none(project: Path, length: object) -> None:
    edit(project / "model/tokenizer_config.json", model_max_length=length)
    with pytest.raises(InputError, match=r"model_max_length=.* is no number of tokens"):
        prepared(project)


def test_padding_stands_behind_the_texts(project: Path) -> None:
    edit(project / "model/tokenizer_config.json", padding_side="left")
    found = prepared(project)
    assert found.data.train.padding.side == "right"
    assert found.tokenizer().padding_side == "right"


def test_marks_around_pairs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tokenizer's template is one of single texts."""
    settings = yaml.safe_load((project / "sweep.yaml").read_text())
    settings["data"]["text_pair"] = "domain"
    (project / "sweep.yaml").write_text(yaml.safe_dump(settings))
    prepared(project)
    assert "puts no tokens such as [CLS] around a pair of texts" in capsys.readouterr().err
