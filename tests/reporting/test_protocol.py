"""What a report says of the procedure, for every sweep that comes with the project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from doge_ray.config import SweepConfig, load_config, load_parts
from doge_ray.domains.audit import Audit, SplitAudit
from doge_ray.reporting.protocol import audit_table, cost_tables, protocol_table
from doge_ray.reporting.sweep_page import sweep_page
from tests.reporting.full import FULL

SWEEPS = sorted(path.stem for path in (Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


def protocol(config: SweepConfig) -> dict[str, str]:
    table = protocol_table(replace(FULL, config=config))
    assert table is not None
    return {str(what): str(how) for what, how in table.rows}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_has_a_page(name):
    parts = load_parts(name)
    for config in [load_config(name)] if parts is None else [part.config for part in parts.parts]:
        assert config.model in sweep_page(replace(FULL, config=config), [])


def test_the_papers_levels_are_named():
    assert (
        "the 25 levels of the released scripts" in protocol(load_config("transition"))["searched"]
    )


def test_the_released_scoring_is_not_called_exact():
    released = ["scoring.method=authors_code", "scoring.batch_size=16"]
    scores = protocol(load_config("amazon", released))["scores"]
    assert "batches of 16 and never zeroed" in scores
    assert "exact" not in scores
    assert "exact, granularity example" in protocol(load_config("amazon"))["scores"]


def test_windows_are_not_called_cutting():
    windows = protocol(load_config("ontonotes", ["train.long_sentences=windows"]))["training"]
    assert "in windows of 128 tokens" in windows
    assert "cut at" not in windows


def test_a_tagged_corpus_shows_shares_of_entities():
    """Ten entities of people and five of places, in 100 sentences."""
    names = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    part = SplitAudit("train", "news", (2000, 5, 3, 10, 4), 0, 0, sentences=100)
    table = audit_table(Audit(names, 64, (part,)))
    shown = dict(zip(table.header, table.rows[0], strict=True))
    assert (shown["rows"], shown["LOC"], shown["PER"]) == ("100", "33 %", "67 %")


def test_what_a_stopped_trial_cost_is_counted():
    stopped = replace(FULL.rows[0], status="stopped", trained=False, seconds=100.0)
    methods = cost_tables(replace(FULL, rows=[stopped, *FULL.rows[1:]]))[0]
    before = cost_tables(FULL)[0]
    assert methods.rows[0][:3] == ("dense", "3", "2")
    assert before.rows[0][:3] == ("dense", "3", "3")
    assert float(methods.rows[0][3]) > float(before.rows[0][3])
