"""What an evaluation publishes: metrics, and a table of what was predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import TaggedSplit
from doge_ray.engine.work.graph import PREDICTIONS
from doge_ray.stages.counts import count
from doge_ray.stages.evaluate import domain_metrics, mean_over_domains


def target_metrics(data: Encoded, predictions: np.ndarray) -> dict[str, Any]:
    """Metric of each target domain and their mean, raw and without texts seen in the sources."""
    counts_M = count(data.test, predictions, data.label_names)
    examples = data.test.examples
    result: dict[str, Any] = {}
    for suffix, kept in (("", slice(None)), ("_deduplicated", ~examples.duplicated_M)):
        metrics = domain_metrics(counts_M[kept], examples.domains_M[kept], data.target_domains)
        result |= {
            f"target{suffix}": metrics,
            f"target_metric{suffix}": mean_over_domains(metrics),
        }
    return result


def write_predictions(folder: Path, data: Encoded, predictions: np.ndarray) -> None:
    """Write what ``predictions.read_predictions`` reads."""
    counts_M, examples = count(data.test, predictions, data.label_names), data.test.examples
    table = pa.table(
        {
            "domain": pa.array(np.array(data.target_domains)[examples.domains_M].tolist()),
            "label": _by_example(data.test.answers, data),
            "prediction": _by_example(predictions, data),
            "duplicate": examples.duplicated_M,
            "matched": counts_M.matched,
            "predicted": counts_M.predicted,
            "expected": counts_M.expected,
        }
    )
    pq.write_table(table, folder / PREDICTIONS)


def _by_example(answers: np.ndarray, data: Encoded) -> Any:
    """Class indices as they are, tags by name in one list per sentence."""
    if not isinstance(data.test, TaggedSplit):
        return answers
    names = pa.array(np.array(data.label_names, object)[answers].tolist(), pa.string())
    return pa.ListArray.from_arrays(data.test.sentences, names)
