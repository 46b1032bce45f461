import re

import pytest
from pydantic import ValidationError

from doge_ray.config import load_config
from doge_ray.config.data import DATA_SETS
from doge_ray.config.document import reference
from doge_ray.config.load import known_keys, validate
from doge_ray.config.schema import SweepConfig

QUICKSTART = {"name": "some", "model": "some/encoder", "data": {"set": "quickstart"}}


# What changes neither a stage nor the choices of a study.
EXTENSIBLE = {
    "name",
    "storage",
    "methods",
    "replicates",
    "train.micro_batch_size",
    "train.snapshot_minutes",
    "scoring.batch_size",
    "search.num_trials",
    "search.max_concurrent",
    "search.max_failures",
    "paper",
    "resources.trial_workers",
    "resources.stage_workers",
    "resources.cpus_per_worker",
    "resources.gpus_per_worker",
    "resources.device_price",
}
PLACES = {"model", "data.root"}


@pytest.fixture
def config() -> SweepConfig:
    return validate(QUICKSTART, "here")


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_the_reference_gives_every_setting_a_meaning(data_set):
    meanings = dict(re.findall(r"^  (\S+).*\n {6}(\S.*)", reference(), re.MULTILINE))
    keys = set(known_keys({"data": {"set": data_set}})) - {"data.set"}
    assert {"model", "train.patience", "search.sparsity", "data.limit"} <= keys
    assert {key.replace("data.", f"data[{data_set}].") for key in keys} <= set(meanings)


@pytest.mark.parametrize(
    "line",
    [
        "  train.max_length = 256 [tokens]  (paper: 256 on AMAZON)",
        "  train.micro_batch_size = null [examples]",
        "  search.sparsity = {low: 0.05, high: 0.6}  (paper: 25 levels)",
        "  search.sampler = tpe  one of tpe, random, grid",
        "  search.batch_size = [16, 32]  (paper: 16, 32)",
    ],
)
def test_the_reference_gives_default_unit_choices_and_the_papers_value(line):
    assert line in reference().splitlines()


def test_science_is_every_setting_that_is_neither_extensible_nor_a_place(config):
    everything = flatten(config.model_dump(mode="json"))
    everything["data.task"] = everything.pop("data.set")
    free = EXTENSIBLE | PLACES | {"scoring.score_precision", "train.padding_free"}
    assert config.science() == {k: v for k, v in everything.items() if k not in free}
    assert {"seed", "data.task", "search.sampler", "search.sparsity.low"} <= set(config.science())


def test_a_setting_that_came_later_counts_where_it_is_not_the_default():
    config = load_config("quickstart", ["score_precision=bf16"])
    assert config.science()["scoring.score_precision"] == "bf16"
    assert validate(config.model_dump(mode="json"), "there").science() == config.science()


def test_what_is_free_is_a_setting():
    """A renamed setting must not fall out of the lists unnoticed."""
    assert set(known_keys(QUICKSTART)) >= EXTENSIBLE | PLACES


def test_places_are_settings_whose_contents_count_instead(config):
    elsewhere = config.data.model_copy(update={"root": "elsewhere"})
    moved = config.model_copy(update={"model": "elsewhere", "data": elsewhere})
    assert moved.science() == config.science()


def test_science_survives_being_written_down(config):
    assert validate(config.model_dump(mode="json"), "there").science() == config.science()


def test_a_configuration_cannot_change(config):
    with pytest.raises(ValidationError, match="frozen"):
        config.train.patience = 5


def flatten(tree, prefix=""):
    """Nested mappings as one mapping with dotted keys."""
    flat = {}
    for key, value in tree.items():
        nested = isinstance(value, dict)
        flat |= flatten(value, f"{prefix}{key}.") if nested and value else {prefix + key: value}
    return flat
