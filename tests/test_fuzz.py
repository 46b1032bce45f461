"""A small, fixed share of the fuzzed inputs; ``make fuzz`` runs thousands of each."""

import pytest

from tests.fuzz.inputs import RAN, property_of

SHARES = {
    "sweep_files": 60,
    "tickets": 150,
    "score_tables": 60,
    "texts": 150,
    "model_folders": 15,
    "storages": 4,
    "names": 3,
}


@pytest.mark.parametrize("name", SHARES)
def test_any_input_is_accepted_or_refused_with_a_clear_message(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    property_of(name, SHARES[name], fixed=True)()
    assert RAN[name] >= SHARES[name]
