"""What a plan tells before anything is spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.forecast import TASK_SECONDS, Costs, Forecast, measure, most_distinct
from doge_ray.engine.prepare import Prepared, prepare
from doge_ray.engine.schedule.steps import Step
from tests.engine.project import make_project, run_here

COSTS = Costs({16: 2.0}, forward=0.1, scoring=0.2, device="stopwatch")


def prepared(folder: Path, **settings: object) -> Prepared:
    config = load_config(str(make_project(folder, **settings)))
    return prepare(config, load_corpus(config.data), find_model(config.model))


def test_seconds_by_hand(tmp_path: Path) -> None:
    """324 rows to train on, 36 of dev, 120 of test; 2 epochs of 21 steps."""
    forecast = Forecast(prepared(tmp_path), COSTS)
    training = 2 * 21 * 2.0 + (2 * 36 + 120) * 0.1
    assert forecast.seconds(Step("search", "doge", 1)) == pytest.approx(training + TASK_SECONDS)
    assert forecast.seconds(Step("repeat", "doge", 1)) == pytest.approx(training + TASK_SECONDS)
    assert forecast.seconds(Step("scoring")) == pytest.approx(324 * 0.2 + TASK_SECONDS)
    assert forecast.seconds(Step("choice", "doge")) == 0
    alone = forecast.on(1)
    assert alone.busy == pytest.approx(1)
    looked = 2 * 324 * 0.2 + 324 * 0.1 + 3 * TASK_SECONDS
    assert alone.seconds == pytest.approx(12 * (training + TASK_SECONDS) + looked)
    assert forecast.num_trainings == 12
    assert forecast.on(2).seconds < 0.6 * alone.seconds


def test_a_training_that_spans_devices_takes_them_all(tmp_path: Path) -> None:
    narrow = prepared(tmp_path)
    spanning = narrow.config.resources.model_copy(update={"trial_workers": 2})
    wide = replace(narrow, config=narrow.config.model_copy(update={"resources": spanning}))
    one, two = Forecast(narrow, COSTS), Forecast(wide, replace(COSTS, steps={16: 1.0}))
    assert two.on(2).busy > 0.85
    assert two.on(2).seconds == pytest.approx(one.on(1).seconds / 2, rel=0.15)


def test_lists_have_so_many_combinations(tmp_path: Path) -> None:
    path = make_project(tmp_path, search={"num_trials": 9})
    config = load_config(str(path))
    assert {m: most_distinct(m, config) for m in config.methods} == {
        "dense": 2,
        "random": 9,
        "winning": 9,
        "doge": 9,
    }


def test_speeds_are_measured(tmp_path: Path) -> None:
    costs = measure(prepared(tmp_path))
    assert costs.steps.keys() == {16}
    assert min(costs.steps[16], costs.forward, costs.scoring) > 0


def test_the_plan_tells_time_and_money(tmp_path: Path) -> None:
    path = str(make_project(tmp_path))
    plan = run_here("sweep", path, "--dry-run", "--gpus", "8", "resources.device_price=3600")
    assert plan.returncode == 0, plan.stderr
    rows = [
        line.split("│")[1:-1] for line in plan.stdout.splitlines() if "%" in line and "│ " in line
    ]
    devices, time, busy, hours, price = (cell.strip() for cell in rows[-1])
    assert (devices, busy[-1]) == ("8", "%")
    assert time
    assert float(price) == pytest.approx(3600 * float(hours), abs=20)
    assert "price" not in run_here("sweep", path, "--dry-run").stdout


def test_gpus_are_for_a_plan() -> None:
    ended = run_here("sweep", "quickstart", "--gpus", "8")
    assert ended.returncode == 2
    assert "--gpus 8 tells how long a sweep would take; add --dry-run" in ended.stderr
    ended = run_here("sweep", "quickstart", "--dry-run", "--gpus", "none")
    assert (ended.returncode, "'none' is no number of GPUs" in ended.stderr) == (2, True)
