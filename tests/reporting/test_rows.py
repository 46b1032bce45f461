import io
from dataclasses import asdict, fields

import pyarrow.parquet as pq

from doge_ray.reporting.rows import TrialRow, rows_to_parquet
from tests.reporting.sweep import SWEEP

COLUMNS = [
    "method",
    "trial",
    "replicate",
    "learning_rate",
    "batch_size",
    "sparsity",
    "variance_weight",
    "strength",
    "anneal",
    "ticket",
    "seed",
    "dev_metric",
    "selection_metric",
    "target_metric",
    "target_metric_deduplicated",
    "selected_source_dev",
    "selected_oracle",
    "trained",
    "seconds",
    "error",
]


def test_the_columns_stand_in_their_promised_order():
    """Further columns may follow."""
    table = pq.read_table(io.BytesIO(rows_to_parquet(SWEEP.rows)))
    assert table.column_names[: len(COLUMNS)] == COLUMNS
    assert table.column_names == [field.name for field in fields(TrialRow)]


def test_round_trip():
    table = pq.read_table(io.BytesIO(rows_to_parquet(SWEEP.rows)))
    assert table.to_pylist() == [asdict(row) for row in SWEEP.rows]


def test_no_trial_yet_is_a_table_of_the_same_columns():
    empty, full = (pq.read_schema(io.BytesIO(rows_to_parquet(r))) for r in ([], SWEEP.rows))
    assert empty.equals(full)
