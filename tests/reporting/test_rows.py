import io

import pyarrow.parquet as pq

from doge_ray.reporting.trial_rows import COLUMNS, rows_to_parquet
from tests.reporting.sweep import SWEEP


def test_columns_are_typed_fields_in_their_order():
    table = pq.read_table(io.BytesIO(rows_to_parquet(SWEEP.rows)))
    assert table.column_names == list(COLUMNS)
    types = {name: str(table.schema.field(name).type) for name in ("method", "trial", "selected")}
    assert types == {"method": "string", "trial": "int64", "selected": "bool"}
    assert str(table.schema.field("target_metric").type) == "double"


def test_round_trip():
    table = pq.read_table(io.BytesIO(rows_to_parquet(SWEEP.rows)))
    assert table.to_pylist() == [
        {name: getattr(row, name) for name in COLUMNS} for row in SWEEP.rows
    ]


def test_no_trial_yet_is_a_table_of_the_same_columns():
    empty, full = (pq.read_schema(io.BytesIO(rows_to_parquet(r))) for r in ([], SWEEP.rows))
    assert empty.equals(full)
