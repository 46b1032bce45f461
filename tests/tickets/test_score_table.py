import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.errors import InputError
from doge_ray.stages.score_table import COLUMNS, read_scores, write_scores
from doge_ray.tickets.importance import Moments
from tests.tickets.material import PARAMETERS

SOURCE = {"training": "0123abcd", "granularity": "example"}


def some_moments(seed: int = 0, domains: int = 2, layers: int = 2, heads: int = 3) -> Moments:
    rng = np.random.default_rng(seed)
    names = [f"d{i}" for i in rng.permutation(domains)]
    moments = Moments.zeros(names, layers, heads)
    moments.count_D[:] = rng.integers(1, 1000, domains)
    sums = (
        moments.head_sum_DLH,
        moments.head_sum_sq_DLH,
        moments.ffn_sum_DL,
        moments.ffn_sum_sq_DL,
    )
    for array in sums:
        array[:] = rng.lognormal(0, 20, array.shape)
    return moments


@pytest.fixture
def file(tmp_path):
    write_scores(tmp_path / "scores.parquet", some_moments(), PARAMETERS, SOURCE)
    return tmp_path / "scores.parquet"


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_round_trip_is_exact(tmp_path_factory, seed, domains, layers, heads):
    path = tmp_path_factory.mktemp("scores") / "scores.parquet"
    written = some_moments(seed, domains, layers, heads)
    write_scores(path, written, PARAMETERS, SOURCE)
    read, parameters, source = read_scores(path)
    assert (parameters, source) == (PARAMETERS, SOURCE)
    assert read.domains == written.domains
    for name in ("count_D", "head_sum_DLH", "head_sum_sq_DLH", "ffn_sum_DL", "ffn_sum_sq_DL"):
        assert np.array_equal(getattr(read, name), getattr(written, name)), name


def test_the_order_of_the_rows_does_not_matter(file):
    table = pq.read_table(file)
    pq.write_table(table.take(pa.array(np.arange(len(table))[::-1])), file)
    read, _, _ = read_scores(file)
    expected = some_moments()
    order = [read.domains.index(name) for name in expected.domains]
    assert np.array_equal(read.head_sum_DLH[order], expected.head_sum_DLH)
    assert np.array_equal(read.count_D[order], expected.count_D)


def without(table: pa.Table, row: int) -> pa.Table:
    return pa.concat_tables([table.slice(0, row), table.slice(row + 1)])


def no_sizes(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata({"doge_ray": json.dumps({"source": SOURCE})})


def facts(**changes: object):
    """Other sizes or another source."""
    good = {"parameters": PARAMETERS._asdict(), "source": SOURCE} | changes
    return lambda table: table.replace_schema_metadata({"doge_ray": json.dumps(good)})


def column(name: str, kind: pa.DataType, *first: object):
    """Other first values, and another type."""

    def changed(table: pa.Table) -> pa.Table:
        place = table.column_names.index(name)
        values = [*first, *table[name].to_pylist()[len(first) :]]
        return table.set_column(place, name, pa.array(values, kind))

    return changed


DAMAGE = {
    "a layer far away": column("layer", pa.int32(), 2**31 - 1),
    "a layer below the first": column("layer", pa.int32(), -1),
    "a head below the first": column("index", pa.int32(), -1),
    "an FFN block of another place": lambda table: pa.concat_tables(
        [table.slice(0, 12), column("index", pa.int32(), 1)(table.slice(12))]
    ),
    "half a layer": column("layer", pa.float64(), 0.5),
    "a sum missing": column("sum", pa.float64(), None),
    "a domain missing": column("domain", pa.string(), None),
    "a third kind of unit": column("unit", pa.string(), "tail"),
    "a domain without examples": column("count", pa.int64(), 0),
    "a column twice": lambda table: table.append_column("sum", table["sum"]),
    "sizes in a word": facts(parameters="small"),
    "sizes without end": facts(parameters={"head": 1, "ffn": 1, "encoder": float("inf")}),
    "an encoder of nothing": facts(parameters={"head": 4, "ffn": 10, "encoder": 0}),
    "no source": facts(source=None),
    "an unknown rank": facts(source={"ffn_rank": "upside down"}),
    "facts nested without end": lambda table: table.replace_schema_metadata(
        {"doge_ray": "[" * 100_000}
    ),
    "no sums": lambda table: table.drop_columns(["sum"]),
    "words as layers": lambda table: table.set_column(2, "layer", pa.array(["first"] * len(table))),
    "no rows": lambda table: table.slice(0, 0),
    "no heads": lambda table: table.slice(12),
    "a head missing": lambda table: without(table, 4),
    "an FFN block missing": lambda table: without(table, 13),
    "a row twice": lambda table: pa.concat_tables([table, table.slice(3, 1)]),
    "one row in place of another": lambda table: pa.concat_tables(
        [without(table, 4), table.slice(3, 1)]
    ),
    "no metadata": lambda table: table.replace_schema_metadata(None),
    "no sizes": no_sizes,
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_found(file, case):
    pq.write_table(DAMAGE[case](pq.read_table(file)), file)
    with pytest.raises(
        InputError, match=r"(?s)scores\.parquet' is not a score table \(.+\); write one"
    ):
        read_scores(file)


@pytest.mark.parametrize("content", [b"", b"not parquet"], ids=["empty", "text"])
def test_other_files_are_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(InputError, match="is not a score table"):
        read_scores(file)


def test_a_truncated_file_is_refused(file):
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a score table"):
        read_scores(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file; write one with"):
        read_scores(tmp_path / "scores.parquet")


def test_the_columns_are_the_documented_ones(file):
    assert tuple(pq.read_table(file).column_names) == COLUMNS
