"""The score table: moments as Parquet, one row per domain and unit.

Columns: domain, unit (``head`` or ``ffn``), layer, index, count, sum, sum_sq. The schema's metadata
holds, as JSON, the sizes of the units and where the scores came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from doge_ray.errors import DAMAGED, InputError
from doge_ray.shell import command_line
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters

SCHEMA = pa.schema(
    {
        "domain": pa.string(),
        "unit": pa.string(),
        "layer": pa.int32(),
        "index": pa.int32(),
        "count": pa.int64(),
        "sum": pa.float64(),
        "sum_sq": pa.float64(),
    }
)
COLUMNS = tuple(SCHEMA.names)


def write_scores(
    path: Path, moments: Moments, parameters: UnitParameters, source: Mapping[str, Any]
) -> None:
    """Write a score table.

    Args:
        path: a .parquet file; its folder is there.
        moments: sums over the examples of each domain.
        parameters: how many a head, an FFN block and the encoder have.
        source: JSON values that say what was scored and how.

    Raises:
        FloatingPointError: a sum is not finite, so no ticket could be drawn.
    """
    sums = (value for value in vars(moments).values() if isinstance(value, np.ndarray))
    if not all(np.isfinite(value).all() for value in sums):
        raise FloatingPointError("a unit's sensitivity is not finite, so no ticket can be drawn")
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
    remedy = f"write one with {command_line('doge-ray', 'score')}"
    if not path.is_file():
        raise InputError(f"scores={str(path)!r}: no such file; {remedy}")
    try:
        table = pq.read_table(path)
        facts = json.loads((table.schema.metadata or {})[b"doge_ray"])
        parameters = UnitParameters(**{key: int(n) for key, n in facts["parameters"].items()})
        if facts["source"].get("ffn_rank", "score") not in ("score", "absolute"):
            raise ValueError("ffn_rank is neither score nor absolute")
        moments = _moments(table.select(COLUMNS).cast(SCHEMA))
        parameters.require(*moments.shape)
        return moments, parameters, facts["source"]
    except (pa.ArrowException, OSError, *DAMAGED) as error:
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
    if any(column.null_count for column in table.columns):
        raise ValueError("values are missing")
    columns = {name: table[name].to_numpy() for name in COLUMNS}
    if columns["count"].min() < 1:
        raise ValueError("a domain has no examples")
    domains = tuple(dict.fromkeys(columns["domain"]))
    is_head = columns["unit"] == "head"
    num_layers, num_heads = (
        int(column.max()) + 1 for column in (columns["layer"], columns["index"][is_head])
    )
    # Compared before arrays of that size are made.
    there = set(zip(*(columns[name].tolist() for name in COLUMNS[:4]), strict=True))
    covered = len(domains) * num_layers * (num_heads + 1) == len(table) == len(there)
    if not covered or there != _units(domains, num_layers, num_heads):
        raise ValueError(f"{len(table)} rows do not cover every domain, layer and unit once")
    moments = Moments.zeros(domains, num_layers, num_heads)
    places = {domain: place for place, domain in enumerate(domains)}
    place = np.array([places[domain] for domain in columns["domain"]])
    heads = place[is_head], columns["layer"][is_head], columns["index"][is_head]
    ffns = place[~is_head], columns["layer"][~is_head]
    moments.head_sum_DLH[heads] = columns["sum"][is_head]
    moments.head_sum_sq_DLH[heads] = columns["sum_sq"][is_head]
    moments.ffn_sum_DL[ffns] = columns["sum"][~is_head]
    moments.ffn_sum_sq_DL[ffns] = columns["sum_sq"][~is_head]
    moments.count_D[place] = columns["count"]
    return moments


def _units(domains: Sequence[str], num_layers: int, num_heads: int) -> set[tuple[Any, ...]]:
    """Domain, unit, layer and index of every row that there must be."""
    of_layer = [*(("head", index) for index in range(num_heads)), ("ffn", 0)]
    return {
        (domain, unit, layer, index)
        for domain in domains
        for layer in range(num_layers)
        for unit, index in of_layer
    }
