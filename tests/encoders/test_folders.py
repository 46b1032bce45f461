from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from doge_ray.encoders.folders import load_model, save_dense, save_model
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.surgery import prune
from doge_ray.errors import InputError
from tests.encoders.networks import NUM_HEADS, NUM_LAYERS, VARIANTS, inputs, logits_of, tiny

HEADS = np.array([[True, False, True, True], [False] * NUM_HEADS, [False, True, True, False]])
FFN = np.array([False, True, False])
ALL_HEADS, ALL_FFN = np.ones((NUM_LAYERS, NUM_HEADS), bool), np.ones(NUM_LAYERS, bool)


def pruned(variant: str, head_mask: np.ndarray = HEADS, ffn_mask: np.ndarray = FFN):
    model = tiny(variant)
    prune(model, head_mask, ffn_mask)
    return model


def assert_round_trips(model: PreTrainedModel, folder: Path) -> None:
    """Bit for bit in the pruned layout, to rounding in the stock one."""
    batch = inputs(5)
    expected = logits_of(model, batch)
    save_model(model, folder / "pruned")
    again = load_model(folder / "pruned")
    assert not again.training
    assert torch.equal(logits_of(again, batch), expected)
    save_dense(model, folder / "dense")
    stock, report = AutoModelForSequenceClassification.from_pretrained(
        folder / "dense", output_loading_info=True
    )
    assert not any(report.values())
    difference = (logits_of(stock, batch) - expected).abs().max()
    assert difference <= 1e-5 * max(1, expected.abs().max())
    assert torch.equal(logits_of(load_model(folder / "dense"), batch), logits_of(stock, batch))


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=4, deadline=None)
@given(
    head_mask=arrays(bool, (NUM_LAYERS, NUM_HEADS)),
    ffn_mask=arrays(bool, NUM_LAYERS),
)
def test_any_mask_round_trips(
    variant: str,
    tmp_path_factory: pytest.TempPathFactory,
    head_mask: np.ndarray,
    ffn_mask: np.ndarray,
) -> None:
    model, folder = pruned(variant, head_mask, ffn_mask), tmp_path_factory.mktemp("model")
    assert_round_trips(model, folder)


@pytest.mark.parametrize("variant", VARIANTS)
def test_empty_layers_round_trip_and_shrink(variant: str, tmp_path: Path) -> None:
    assert_round_trips(pruned(variant), tmp_path)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("pruned", "dense")]
    assert sizes[0] < 0.8 * sizes[1]
    assert {file.suffix for file in (tmp_path / "pruned").iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_loaded_model_trains_and_saves_again(variant: str, tmp_path: Path) -> None:
    save_model(pruned(variant), tmp_path / "first")
    model = load_model(tmp_path / "first").train()
    model(**inputs(5), labels=torch.zeros(5, dtype=torch.long)).loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad
    model.eval()
    save_model(model, tmp_path / "second")
    assert torch.equal(
        logits_of(load_model(tmp_path / "second"), inputs(5)), logits_of(model, inputs(5))
    )


def test_loading_leaves_the_global_random_state(tmp_path: Path) -> None:
    save_model(pruned("bert"), tmp_path / "pruned")
    save_dense(pruned("bert"), tmp_path / "dense")
    state = torch.get_rng_state()
    load_model(tmp_path / "pruned")
    load_model(tmp_path / "dense")
    assert torch.equal(torch.get_rng_state(), state)


def test_what_transformers_saves_of_a_pruned_model_loads(tmp_path: Path) -> None:
    model = pruned("modernbert")
    model.save_pretrained(tmp_path)
    assert torch.equal(logits_of(load_model(tmp_path), inputs(5)), logits_of(model, inputs(5)))


def test_the_precision_is_kept(tmp_path: Path) -> None:
    save_model(pruned("bert").bfloat16(), tmp_path / "model")
    assert load_model(tmp_path / "model").dtype == torch.bfloat16


def test_an_unpruned_model_is_also_a_stock_one(tmp_path: Path) -> None:
    model = tiny("bert")
    save_model(model, tmp_path / "model")
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert torch.equal(logits_of(stock, inputs(5)), logits_of(model, inputs(5)))


def test_the_config_shows_the_masks_and_no_path(tmp_path: Path) -> None:
    save_model(pruned("bert"), tmp_path / "model")
    text = (tmp_path / "model" / "config.json").read_text()
    assert json.loads(text)["doge_ray"] == {
        "head_mask": ["1011", "0000", "0110"],
        "ffn_mask": "010",
    }
    assert str(tmp_path) not in text


def test_saving_replaces_an_older_model_whole(tmp_path: Path) -> None:
    save_model(tiny("electra"), tmp_path / "model")
    (tmp_path / "model" / "leftover.txt").touch()
    save_model(pruned("bert"), tmp_path / "model")
    assert load_model(tmp_path / "model").config.model_type == "bert"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "leftover.txt").exists()


def test_saving_does_not_replace_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="no model folder"):
        save_model(pruned("bert"), tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("save", [save_model, save_dense])
def test_a_damaged_record_of_the_masks_is_refused(
    save: Callable[..., None], tmp_path: Path
) -> None:
    model = pruned("bert")
    model.config.doge_ray["ffn_mask"] = "01"
    with pytest.raises(InputError, match="ffn_mask"):
        save(model, tmp_path / "model")
    model.config.doge_ray = {"heads": 3}
    with pytest.raises(InputError, match="holds no masks"):
        save(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def changed_config(folder: Path, **masks: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["doge_ray"].update(masks)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "masks",
    [
        {"ffn_mask": "011"},
        {"head_mask": ["1111", "0000", "0110"]},
        {"head_mask": ["1111"]},
        {"head_mask": ["111", "0000", "0110"]},
        {"head_mask": None},
        {"head_mask": ["1211", "0000", "0110"]},
        {"ffn_mask": 3},
    ],
)
def test_masks_that_do_not_fit_the_weights_are_refused(masks: dict, tmp_path: Path) -> None:
    save_model(pruned("bert"), tmp_path / "model")
    changed_config(tmp_path / "model", **masks)
    with pytest.raises(InputError, match="do not belong together"):
        load_model(tmp_path / "model")


def test_broken_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        load_model(tmp_path / "nowhere")
    save_model(pruned("bert"), tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_model(tmp_path / "model")
    weights.unlink()
    with pytest.raises(InputError, match="without weights"):
        load_model(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path / "model")


def rewritten(folder: Path, **settings: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


IMPOSSIBLE = {
    "num_hidden_layers": 10**9,
    "num_attention_heads": 0,
    "hidden_size": 2**20,
    "intermediate_size": -1,
    "vocab_size": 10**10,
    "num_labels": 10**12,
    "architectures": 3,
    "hidden_act": "no such function",
    "initializer_range": "much",
}


@pytest.mark.parametrize("layout", ["pruned", "dense"])
@pytest.mark.parametrize("setting", IMPOSSIBLE)
def test_an_impossible_configuration_is_refused_before_it_takes_memory(
    setting: str, layout: str, tmp_path: Path
) -> None:
    save = save_model if layout == "pruned" else save_dense
    save(pruned("bert"), tmp_path / "model")
    rewritten(tmp_path / "model", **{setting: IMPOSSIBLE[setting]})
    with pytest.raises(InputError, match=r"config\.json"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("header", [b"", b"\xff" * 16, (2**62).to_bytes(8, "little") + b"{}"])
def test_weights_with_a_broken_header_are_refused(header: bytes, tmp_path: Path) -> None:
    save_dense(pruned("bert"), tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(header)
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_model(tmp_path / "model")


def test_pickled_weights_are_not_read_in_place_of_others(tmp_path: Path) -> None:
    """Also where a safetensors file of another name makes the folder look complete."""
    folder = tmp_path / "model"
    save_dense(pruned("bert"), folder)
    torch.save(load_model(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").rename(folder / "spare.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_model(folder)


def test_a_stock_folder_without_a_classifier_is_refused(minilm: Path) -> None:
    with pytest.raises(InputError, match=r"classifier\.weight"):
        load_model(minilm)


def test_minilm_with_tokenizer(minilm: Path, tmp_path: Path) -> None:
    model = initial_model(minilm, ["no", "yes"], seed=0)
    head_mask = np.tile(np.arange(12) % 3 > 0, (6, 1))
    ffn_mask = np.arange(6) > 1
    prune(model, head_mask, ffn_mask)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    save_model(model, tmp_path / "model", tokenizer)
    assert_round_trips(model, tmp_path)
    loaded, text = load_model(tmp_path / "model"), "It works, doesn't it?"
    encoded = AutoTokenizer.from_pretrained(tmp_path / "model")(text, return_tensors="pt")
    expected = tokenizer(text, return_tensors="pt")
    assert torch.equal(logits_of(loaded, encoded), logits_of(model, expected))
    assert loaded.config.id2label == {0: "no", 1: "yes"}
