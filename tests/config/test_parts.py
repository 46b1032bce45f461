from pathlib import Path

import pytest
import yaml

from doge_ray.config import Parts, load_config, load_parts
from doge_ray.errors import InputError
from doge_ray.tickets.levels import PAPER_LEVELS

BASE = "model: some/encoder\ndata: {set: amazon}\n"
TWO = [
    {"sweep": "amazon", "set": {"data.split": "B"}, "column": "B"},
    {"sweep": "quickstart"},
]


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "several.yaml"


def load(file: Path, parts: object, *overrides: str) -> Parts:
    file.write_text(yaml.safe_dump({"parts": parts}))
    several = load_parts(str(file), overrides)
    assert several is not None
    return several


def names(several: Parts) -> list[str]:
    return [part.config.name for part in several.parts]


def test_parts_are_ordinary_sweeps_with_folders_of_their_own(file):
    several = load(file, TWO)
    assert (several.name, several.storage) == ("several", "runs")
    assert names(several) == ["several-amazon-B", "several-quickstart"]
    amazon, quickstart = several.parts
    alone = load_config("amazon", ["split=B", "name=several-amazon-B"])
    assert (amazon.config, amazon.column) == (alone, "B")
    assert quickstart.column == "quickstart"


def test_a_part_may_be_a_path(file, tmp_path):
    (tmp_path / "own.yaml").write_text(BASE)
    several = load(file, [{"sweep": str(tmp_path / "own.yaml"), "set": {"seed": 3}}])
    assert names(several) == ["several-own-3"]
    assert several.parts[0].config.seed == 3


def test_an_override_is_for_all_parts(file):
    several = load(file, TWO, "limit=50", "storage=elsewhere", "search.num_trials=1")
    assert several.storage == "elsewhere"
    for part in several.parts:
        assert (part.config.data.limit, part.config.search.num_trials) == (50, 1)


def test_an_override_can_be_addressed(file):
    several = load(file, TWO, "amazon:data.root=/x", "amazon-B:seed=1", "quickstart:seed=2")
    amazon, quickstart = (part.config for part in several.parts)
    assert (amazon.data.root, quickstart.data.root) == ("/x", None)
    assert (amazon.seed, quickstart.seed) == (1, 2)


def test_an_override_comes_after_what_the_part_sets_and_may_hold_colons(file):
    (part,) = load(file, TWO[:1], "split=C", "sparsity={low: 0.1, high: 0.2}").parts
    assert part.config.data.split == "C"
    assert part.config.search.sparsity.low == 0.1


def test_another_name_renames_all(file):
    assert names(load(file, TWO, "name=again")) == ["again-amazon-B", "again-quickstart"]


def test_an_ordinary_sweep_has_no_parts():
    assert load_parts("amazon", ["split=B"]) is None


def test_parts_are_no_ordinary_sweep():
    with pytest.raises(InputError, match=r"table2\.yaml consists of several sweeps; name one of"):
        load_config("table2")


REFUSED = {
    "no parts": ([], (), "several.yaml: parts=[]: "),
    "no sweep": ([{"set": {}}], (), "parts.0.sweep is not set"),
    "unknown sweep": ([{"sweep": "amazn"}], (), "no sweep named 'amazn'; there are: "),
    "unknown key": ([{"sweep": "amazon", "sets": {}}], (), "parts.0.sets'; did you mean"),
    "nested": ([{"sweep": "table2"}], (), "table2.yaml consists of several sweeps"),
    "same name": (TWO[:1] * 2, (), "two parts are named 'several-amazon-B'; give one of them a"),
    "no name": (
        [{"sweep": "amazon", "set": {"methods": ["dense", "doge"]}}],
        (),
        "methods=['dense', 'doge'] makes no name; give the part a name",
    ),
    "nested keys": (
        [{"sweep": "amazon", "set": {"data": {"split": "B"}}}],
        (),
        "write data.split: ... for data",
    ),
    "unknown sweep's place": ([{"sweep": "amazn"}], (), "several.yaml, part amazn: no sweep"),
    "bad set": (
        [{"sweep": "amazon", "set": {"data.split": "D"}}],
        (),
        "several.yaml, part amazon-D (",
    ),
    "bad override": (TWO, ("data.split=A",), "part quickstart ("),
    "unknown address": (TWO, ("amazn:seed=1",), "no part 'amazn'; did you mean 'amazon'?"),
    "two places": (TWO, ("amazon:storage=x",), "its parts lie in runs and x; give them one place"),
    "reserved name": (TWO, ("name=store",), "name='store' is the storage's own folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_or_override_is_refused(file, case):
    parts, overrides, message = REFUSED[case]
    with pytest.raises(InputError) as refusal:
        load(file, parts, *overrides)
    assert message in str(refusal.value)


def test_table_4_is_three_different_draws_of_each_number():
    from doge_ray.domains.mnli import source_genres

    parts = load_parts("mnli-domains").parts
    drawn = {(part.column, source_genres(part.config.data)) for part in parts}
    columns = [column for column, _ in drawn]
    assert len(drawn) == len(parts) == 7
    assert {column: columns.count(column) for column in columns} == {
        "MNLI-5": 1,
        "MNLI-4": 3,
        "MNLI-3": 3,
    }
    assert all(len(genres) == int(column[-1]) for column, genres in drawn)


def test_the_figures_are_grids_without_repetition():
    transition, curves = load_config("transition").search, load_config("lambda").search
    assert transition.num_trials == len(PAPER_LEVELS) == len(transition.space("sparsity"))
    assert curves.num_trials == len(curves.sparsity) * len(curves.variance_weight)
