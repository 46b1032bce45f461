"""A score table: a damaged file, or a readable one with odd columns, values and facts."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from doge_ray import ticket
from doge_ray.stages.score_table import write_scores
from tests.fuzz.box import answer
from tests.fuzz.spoilt import NAMES, NUMBERS, as_json, damaged, spoilt
from tests.tickets.material import PARAMETERS
from tests.tickets.test_score_table import SOURCE, some_moments


def _written() -> tuple[pa.Table, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scores.parquet"
        write_scores(file, some_moments(), PARAMETERS, SOURCE)
        return pq.read_table(file), file.read_bytes()


_TABLE, _CONTENT = _written()
_FACTS = json.loads(_TABLE.schema.metadata[b"doge_ray"])
_ODD = {
    pa.int64(): [n for n in NUMBERS if isinstance(n, int) and abs(n) < 2**63] + [4, 40_000, None],
    pa.float64(): [n for n in NUMBERS if isinstance(n, float)] + [None],
    pa.string(): [*(n for n in NAMES if n.isprintable()), "head", "ffn", "d0", None],
    pa.list_(pa.int64()): [[], [1], None],
    pa.binary(): [b"head", b"\xff", None],
    pa.timestamp("ns"): [0, None],
    pa.bool_(): [True, False, None],
    pa.null(): [None],
}


@st.composite
def _odd_tables(draw: st.DrawFn) -> bytes:
    """A column or two of another type, with other values, gone, or there twice; fewer rows."""
    table = _TABLE
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, table.num_columns - 1))
        what = draw(st.sampled_from(("values", "some", "drop", "rename", "twice", "cast")))
        kind = draw(st.sampled_from(list(_ODD)))
        column, name = table.column(place), table.column_names[place]
        if what == "values":
            values = [draw(st.sampled_from(_ODD[kind])) for _ in range(len(table))]
            table = table.set_column(place, name, pa.array(values, kind))
        elif what == "some" and column.type in _ODD:
            values = column.to_pylist()
            for _ in range(draw(st.integers(1, 3)) if values else 0):
                row = draw(st.integers(0, len(values) - 1))
                values[row] = draw(st.sampled_from(_ODD[column.type]))
            table = table.set_column(place, name, pa.array(values, column.type))
        elif what == "drop" and table.num_columns > 1:
            table = table.remove_column(place)
        elif what == "rename":
            table = table.rename_columns(
                [
                    draw(st.sampled_from(["sum", "x", ""])) if n == name else n
                    for n in table.column_names
                ]
            )
        elif what == "twice":
            table = table.append_column(name, column)
        elif what == "cast" and pa.types.is_integer(column.type):
            table = table.set_column(place, name, column.cast(pa.float64()))
    rows = draw(st.sampled_from((len(table), len(table), 0, 1, 7)))
    facts = as_json(draw(spoilt(st.just(_FACTS))))
    metadata = draw(
        st.sampled_from([{"doge_ray": facts}, {"doge_ray": facts}, None, {"doge_ray": "{"}])
    )
    return _bytes(table.slice(0, rows).replace_schema_metadata(metadata))


def _bytes(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


cases = st.tuples(
    st.one_of(damaged(st.just(_CONTENT), (b"PAR1", b"\xff" * 4, b"\x00" * 8)), _odd_tables()),
    st.sampled_from(["doge", "winning", "random", "losing"]),
)


def check(box: Path, case: tuple[bytes, str]) -> None:
    """A ticket is drawn from it, or it is refused and nothing is written."""
    content, kind = case
    (box / "scores.parquet").write_bytes(content)
    settings = [f"kind={kind}", "sparsity=0.4", "variance_weight=10"]
    with contextlib.redirect_stdout(io.StringIO()):
        answer(
            lambda: ticket.main(["scores=scores.parquet", "out=ticket.json", *settings]),
            "scores",
            "sparsity=",
        )
    if (box / "ticket.json").exists():
        json.loads((box / "ticket.json").read_text())["head_mask"]
