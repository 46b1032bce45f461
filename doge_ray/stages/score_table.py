"""The score table: moments as Parquet, one row per domain and unit.

Columns: domain, unit (``head`` or ``ffn``), layer, index, count, sum, sum_sq. The schema's metadata
holds, as JSON, the sizes of the units and where the scores came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from doge_ray.errors import InputError
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters

COLUMNS = ("domain", "unit", "layer", "index", "count", "sum", "sum_sq")


def write_scores(
    path: Path, moments: Moments, parameters: UnitParameters, source: Mapping[str, Any]
) -> None:
    """Write a score table; ``source`` (JSON values) says what was scored and how."""
    table = pa.concat_tables(
        [
            _rows("head", moments, moments.head_sum_DLH, moments.head_sum_sq_DLH),
            _rows("ffn", moments, moments.ffn_sum_DL[..., None], moments.ffn_sum_sq_DL[..., None]),
        ]
    )
    metadata = {"doge_ray": json.dumps({"parameters": parameters._asdict(), "source": source})}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def read_scores(path: Path) -> tuple[Moments, UnitParameters, dict[str, Any]]:
    """Read what ``write_scores`` wrote.

    Raises:
        InputError: no such file, or not a score table.
    """
    remedy = "write one with python -m doge_ray.score"
    if not path.is_file():
        raise InputError(f"scores={str(path)!r}: no such file; {remedy}")
    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"doge_ray"])
        parameters = UnitParameters(**{key: int(n) for key, n in facts["parameters"].items()})
        return _moments(table), parameters, facts["source"]
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"scores={str(path)!r} is not a score table ({error}); {remedy}") from None


def _rows(unit: str, moments: Moments, sums: Any, squares: Any) -> pa.Table:
    domain, layer, index = (axis.ravel() for axis in np.indices(sums.shape, dtype=np.int32))
    return pa.table(
        {
            "domain": pa.array(np.array(moments.domains)[domain].tolist(), pa.string()),
            "unit": [unit] * sums.size,
            "layer": layer,
            "index": index,
            "count": moments.count_D[domain].astype(np.int64),
            "sum": sums.ravel(),
            "sum_sq": squares.ravel(),
        }
    )


def _moments(table: pa.Table) -> Moments:
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in COLUMNS}
    domains = tuple(dict.fromkeys(columns["domain"]))
    is_head = columns["unit"] == "head"
    num_layers, num_heads = columns["layer"].max() + 1, columns["index"][is_head].max() + 1
    moments = Moments.zeros(domains, num_layers, num_heads)
    place = np.array([domains.index(domain) for domain in columns["domain"]])
    heads = place[is_head], columns["layer"][is_head], columns["index"][is_head]
    ffns = place[~is_head], columns["layer"][~is_head]
    moments.head_sum_DLH[heads] = columns["sum"][is_head]
    moments.head_sum_sq_DLH[heads] = columns["sum_sq"][is_head]
    moments.ffn_sum_DL[ffns] = columns["sum"][~is_head]
    moments.ffn_sum_sq_DL[ffns] = columns["sum_sq"][~is_head]
    moments.count_D[place] = columns["count"]
    units = set(zip(*(columns[name].tolist() for name in COLUMNS[:4]), strict=True))
    if not len(table) == len(units) == moments.head_sum_DLH.size + moments.ffn_sum_DL.size:
        raise ValueError(f"{len(table)} rows do not cover every domain, layer and unit once")
    return moments
