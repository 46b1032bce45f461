"""With no difference between trials, choosing on the test set gains what theory predicts."""

from __future__ import annotations

import numpy as np
import pytest

from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.verdict import oracle_table
from doge_ray.tickets.power import expected_maximum
from tests.reporting.sweep import CONFIG, row

TRIALS, SPREAD = 12, 0.01


def study(rng: np.random.Generator) -> SweepRecords:
    """Trials that are equally good: dev and target metric are chance, and know nothing of each
    other."""
    dev, target = rng.normal(0.7, SPREAD, (2, TRIALS))
    rows = [
        row(
            "doge",
            trial,
            dev_metric=dev[trial],
            target_metric=target[trial],
            selected=trial == dev.argmax(),
            selected_oracle=trial == target.argmax(),
        )
        for trial in range(TRIALS)
    ]
    return SweepRecords("null", ("doge",), rows, {}, CONFIG)


def test_the_gap_is_luck_and_the_report_says_how_much():
    rng = np.random.default_rng(0)
    lines = [oracle_table(study(rng)).rows[0] for _ in range(500)]
    gaps, luck = (np.mean([float(str(line[i])) for line in lines]) for i in (4, 5))
    assert gaps == pytest.approx(100 * SPREAD * expected_maximum(TRIALS), rel=0.07)
    assert luck == pytest.approx(gaps, rel=0.07)


def test_the_honest_choice_is_not_biased():
    rng = np.random.default_rng(1)
    honest = [float(str(oracle_table(study(rng)).rows[0][2])) for _ in range(500)]
    assert np.mean(honest) == pytest.approx(70, abs=0.15)
