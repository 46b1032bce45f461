"""Methods and their hyper-parameters, as the tables of kinds and objectives make them."""

from dataclasses import fields
from typing import get_args

import pytest
import yaml

from doge_ray.config import SearchConfig, load_config
from doge_ray.config.data import Task
from doge_ray.config.methods import (
    ALL,
    HYPERPARAMETERS,
    check_method,
    compares_domains,
    hyperparameters,
    kind_of,
    objective_of,
)
from doge_ray.config.search import bounds
from doge_ray.errors import InputError
from doge_ray.objectives import OBJECTIVES, make_objective
from doge_ray.tickets.kinds import KINDS, drawn_kinds
from doge_ray.tickets.metrics import METRICS


def test_every_name_of_a_trial_stands_in_one_order():
    assert list(ALL) == [
        "learning_rate",
        "batch_size",
        "sparsity",
        "variance_weight",
        "strength",
        "anneal",
    ]


def test_no_two_hyperparameters_share_a_setting():
    settings = [each.setting for each in HYPERPARAMETERS]
    assert len(set(settings)) == len(settings)
    assert set(settings) <= set(SearchConfig.model_fields)


@pytest.mark.parametrize("each", HYPERPARAMETERS, ids=lambda each: each.setting)
def test_defaults_are_possible_and_columns_of_one_name_agree(each):
    values = bounds(SearchConfig().space(each.setting))
    assert all(each.check(value) == value for value in values)
    column = ALL[each.name]
    assert (each.heading, each.form, each.whole) == (column.heading, column.form, column.whole)
    assert each.shown(None) == ""
    assert each.shown(values[0])


@pytest.mark.parametrize("each", HYPERPARAMETERS, ids=lambda each: each.setting)
def test_an_impossible_value_is_refused_by_the_rule_of_its_entry(each, tmp_path):
    settings = {"model": "m", "data": {"set": "amazon"}, "search": {each.setting: [-1]}}
    (tmp_path / "some.yaml").write_text(yaml.safe_dump(settings))
    message = f"search.{each.setting}=-1 is impossible; allowed: {each.rule}"
    with pytest.raises(InputError, match=message):
        load_config(str(tmp_path / "some.yaml"))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_has_its_hyperparameters_as_fields(name):
    kind = OBJECTIVES[name]
    assert {field.name for field in fields(kind)} == {each.name for each in kind.hyperparameters}
    drawn = {"strength": 2.0, "anneal": 0.5, "sparsity": 0.3}
    objective = make_objective(name, drawn)
    assert all(getattr(objective, field.name) == drawn[field.name] for field in fields(kind))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_trainings_are_named_by_their_objective_in_the_form_of_all_published_ones(name):
    identity = make_objective(name, {"strength": 2.0}).identity()
    assert identity == {"name": name, "strength": 2.0, "anneal": 0.0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_method_is_a_ticket_an_objective_or_both(kind, objective):
    assert (kind_of(kind), objective_of(kind)) == (kind, None)
    assert (kind_of(objective), objective_of(objective)) == ("dense", objective)
    both = f"{kind}+{objective}"
    if kind not in drawn_kinds():
        with pytest.raises(ValueError, match="is no method"):
            check_method(both)
        return
    assert (kind_of(check_method(both)), objective_of(both)) == (kind, objective)
    own = KINDS[kind].hyperparameters + OBJECTIVES[objective].hyperparameters
    assert [each.name for each in hyperparameters(both)] == [
        "learning_rate",
        "batch_size",
        *(each.name for each in own),
    ]


def test_what_says_nothing_of_one_domain_alone():
    methods = ["dense", "winning", "random", "doge", "vrex", "winning+irm"]
    assert [compares_domains(method) for method in methods] == [False] * 3 + [True] * 3


def test_every_task_has_a_metric():
    assert set(METRICS) == set(get_args(Task))
