"""What the commands make of their arguments, before they do anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from doge_ray import cluster, report, score, sweep
from doge_ray.config import load_config
from doge_ray.engine.cluster.start import ray_cluster
from doge_ray.errors import InputError
from doge_ray.shipped import CHECKOUT


def test_a_setting_may_follow_an_option():
    with pytest.raises(InputError, match="unknown key 'limt'"):
        sweep.main(["quickstart", "--dry-run", "limt=20"])


def test_a_score_table_that_cannot_be_written_is_refused_first(tmp_path: Path):
    for out, reason in ((tmp_path, "name a file"), (tmp_path / "no/file", "there is no folder")):
        with pytest.raises(InputError, match=reason):
            score.main(["quickstart", "model=nowhere", f"out={out}"])


def test_a_report_of_no_place_is_refused():
    with pytest.raises(InputError, match="storage='foo://bar' is no place"):
        report.main(["some", "storage=foo://bar"])


@pytest.mark.parametrize("address", ["nohost", "http://127.0.0.1:8265"])
def test_an_address_that_is_none_is_refused(address: str):
    with (
        pytest.raises(InputError, match="no Ray cluster answers at"),
        ray_cluster(load_config("quickstart"), address),
    ):
        pass


def test_the_cluster_files_of_a_checkout_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checkout = tmp_path / "engine"  # as a folder of the package is called
    checkout.symlink_to(CHECKOUT)
    monkeypatch.setattr(cluster, "CHECKOUT", checkout)
    cluster.copy(tmp_path / "copy")
    assert (tmp_path / "copy/doge_ray/engine/sweep.py").is_file()


def test_without_the_cluster_files_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "cluster.yaml").write_bytes((CHECKOUT / "cluster.yaml").read_bytes())
    monkeypatch.setattr(cluster, "CHECKOUT", tmp_path)
    with pytest.raises(InputError, match=r"^Dockerfile did not come along"):
        cluster.copy(tmp_path / "copy")
    assert [file.name for file in tmp_path.iterdir()] == ["cluster.yaml"]
