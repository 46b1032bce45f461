import itertools

import optuna
import pytest

from doge_ray.config import Range, SearchConfig
from doge_ray.config.methods import hyperparameters
from doge_ray.engine.search.space import Space, grid, make_sampler, recorded_points

optuna.logging.set_verbosity(optuna.logging.WARNING)
SAMPLERS = ("random", "tpe")
# More than the trials that TPE draws at random before it learns.
TRIALS = 14


def names_of(method: str) -> list[str]:
    return [each.name for each in hyperparameters(method)]


def search(**settings) -> SearchConfig:
    return SearchConfig(learning_rate=Range(low=1e-5, high=1e-3, log=True), **settings)


def draw(study: optuna.Study, space: Space) -> dict:
    """One trial that ends with a metric of its own draw."""
    trial = study.ask()
    space(trial)
    study.tell(trial, trial.params["sparsity"])
    return trial.params


def start(sampler: str, seed: int = 1, points=()) -> tuple[optuna.Study, Space]:
    config = search(sampler=sampler)
    study = optuna.create_study(direction="maximize", sampler=make_sampler(config, seed))
    for point in points:
        study.enqueue_trial(point)
    return study, Space("doge", config, lambda number: {"trial": number})


def run(sampler: str, trials: int = TRIALS, **settings) -> list[dict]:
    study, space = start(sampler, **settings)
    return [draw(study, space) for _ in range(trials)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_repeats_a_search(sampler):
    assert run(sampler) == run(sampler) != run(sampler, seed=2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_trials_differ(sampler):
    assert len({tuple(params.values()) for params in run(sampler)}) == TRIALS


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_goes_on_draws_what_an_undisturbed_one_would(sampler):
    """Killed after two thirds, with two trials' journal entries lost."""
    undisturbed = run(sampler)
    kept = {n: undisturbed[n] for n in range(10) if n not in (3, 6)}
    assert run(sampler, points=recorded_points("doge", kept)) == undisturbed


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_draw_depends_on_the_number_and_not_on_how_much_was_drawn_before(sampler):
    """The earlier trials drew nothing at all; while TPE knows too little it draws at random."""
    study, space = start(sampler)
    for _ in range(4):
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert draw(study, space) == run(sampler, 5)[4]


def test_tpe_learns_from_the_metric():
    """Here the metric is the sparsity itself."""
    late = [params["sparsity"] for params in run("tpe", 40)[20:]]
    chance = [params["sparsity"] for params in run("random", 40)[20:]]
    assert sum(late) > sum(chance)


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("dense", {"learning_rate", "batch_size"}),
        ("random", {"learning_rate", "batch_size", "sparsity"}),
        ("winning", {"learning_rate", "batch_size", "sparsity"}),
        ("losing", {"learning_rate", "batch_size", "sparsity"}),
        ("doge", {"learning_rate", "batch_size", "sparsity", "variance_weight"}),
    ],
)
def test_a_method_draws_its_own_dimensions_within_their_bounds(method, names):
    study = optuna.create_study(sampler=make_sampler(search(sampler="random"), 1))
    space = Space(method, search(), lambda number: {"method": method, "trial": number})
    for number in range(20):
        trial = study.ask()
        assert space(trial) == {"method": method, "trial": number}
        assert set(trial.params) == set(names_of(method)) == names
        assert 1e-5 <= trial.params["learning_rate"] <= 1e-3
        assert trial.params["batch_size"] in (16, 32)
        assert 0.05 <= trial.params.get("sparsity", 0.05) <= 0.6
        assert trial.params.get("variance_weight", 0) in (0, 10, 50, 100)


GRID = {
    "sampler": "grid",
    "learning_rate": (1e-5, 2e-5),
    "batch_size": (16, 32),
    "sparsity": (0.1, 0.3, 0.5),
    "variance_weight": (0.0, 10.0),
}


def grid_of(num_trials: int, method: str = "doge", seed: int = 0) -> list[tuple]:
    points = grid(method, SearchConfig(num_trials=num_trials, **GRID), seed)
    assert len(points) >= num_trials
    assert all(list(point) == names_of(method) for point in points)
    return [tuple(point.values()) for point in points]


def test_a_grid_has_every_combination_before_it_repeats_one():
    lists = [GRID[name] for name in names_of("doge")]
    points = grid_of(60)
    assert set(points[:24]) == set(itertools.product(*lists))
    assert points[24:48] == points[:24]
    assert points[48:60] == points[:12]


def test_a_grid_of_a_method_has_its_dimensions_alone():
    assert set(grid_of(4, "dense")) == set(itertools.product((1e-5, 2e-5), (16, 32)))


def test_a_grid_goes_on_where_it_was_when_more_trials_are_asked_for():
    assert grid_of(60)[:5] == grid_of(5)[:5]


def test_a_grid_is_shuffled_by_its_seed():
    assert grid_of(24, seed=1) != grid_of(24, seed=2)


def test_recorded_points_are_in_order_and_lost_ones_are_open():
    point = {"learning_rate": 1e-5, "batch_size": 16, "sparsity": 0.3, "seed": 5, "trial": 2}
    expected = {"learning_rate": 1e-5, "batch_size": 16, "sparsity": 0.3}
    assert recorded_points("random", {2: point, 0: point}) == [expected, {}, expected]
    assert recorded_points("random", {}) == []
