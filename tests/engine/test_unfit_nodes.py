"""A node that trials fail by is avoided, where another can take its place."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from doge_ray.engine.cluster import avoidance
from doge_ray.engine.cluster.avoidance import avoid
from doge_ray.engine.cluster.capacity import HEAD
from doge_ray.engine.search.failures import Device, Failures
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work import fitness
from doge_ray.engine.work.faults import is_hopeless, unfit_machine
from doge_ray.engine.work.fitness import (
    UnfitMachineError,
    have_changed,
    require_same_storage,
    require_same_versions,
    versions,
)
from doge_ray.errors import SweepError
from tests.engine.nodes import free_ports
from tests.engine.project import every_python_runs, make_project, run, table

ONE, OTHER = Device("a" * 56, ("0",)), Device("a" * 56, ("1",))

BROKEN = '''
"""Loaded by every Python: what trains fails by its device on one node, and waits on others."""
import os, time
from pathlib import Path

import wrapt

EVENTS = Path(os.environ["EVENTS"])  # a letter each: a failure, or a training that began


@wrapt.when_imported("doge_ray.engine.work.training")
def loaded(module):
    train = module.train

    def train_or_fail(*args, **kwargs):
        import torch

        broken = "BROKEN" in os.environ
        with EVENTS.open("a") as file:
            file.write("f" if broken else "t")
        if broken:
            raise torch.AcceleratorError("CUDA error: uncorrectable ECC error")
        wanted = min(2, EVENTS.read_text().count("t"))
        until = time.monotonic() + 60
        while EVENTS.read_text().count("f") < wanted and time.monotonic() < until:
            time.sleep(0.1)
        return train(*args, **kwargs)

    module.train = train_or_fail
'''


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cluster]:
    """A head that does no work, a node whose device is broken, and a good one."""
    (tmp_path / "events").touch()
    monkeypatch.setenv("EVENTS", str(tmp_path / "events"))
    for name, value in every_python_runs(BROKEN, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    (port,) = free_ports(1)
    head = {"include_dashboard": True, "dashboard_port": port, "num_cpus": 0}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(env_vars={"BROKEN": "yes"})
        cluster.add_node()
        yield cluster
    finally:
        cluster.shutdown()


def test_a_device_is_held_to_be_broken_by_two_trials_in_a_row() -> None:
    failures = Failures()
    failures.failed_by(ONE, "first", "CUDA error")
    failures.failed_by(ONE, "first", "CUDA error")
    failures.failed_by(OTHER, "second", "CUDA error")
    assert not failures.unfit()
    failures.works(ONE)
    failures.failed_by(ONE, "third", "CUDA error")
    assert not failures.unfit()
    failures.failed_by(OTHER, "third", "CUDA error")  # so it is the trial
    failures.failed_by(ONE, "third", "CUDA error")
    assert not failures.unfit()
    failures.failed_by(ONE, "fifth", "CUDA error")
    assert not failures.unfit()
    failures.failed_by(ONE, "fourth", "CUDA error: ECC")
    assert failures.unfit() == {
        ONE.node: "2 trials in a row failed by GPU 0 of node aaaaaaaa: CUDA error: ECC"
    }


class OnNode:
    """Ray's context of a process that works on a node."""

    gcs_address = "127.0.0.1:1"

    def get_node_id(self) -> str:
        return ONE.node


@pytest.fixture
def on_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness.ray, "get_runtime_context", OnNode)


@pytest.mark.usefixtures("on_node")
def test_other_versions_than_the_drivers_are_refused() -> None:
    require_same_versions(versions())
    with pytest.raises(UnfitMachineError, match=r"node aaaaaaaa has torch .*, the driver has 1.0"):
        require_same_versions(versions() | {"torch": "1.0"})
    with pytest.raises(
        UnfitMachineError, match=r"the driver has 0.1.0 .bbbbbbbb.; install"
    ) as error:
        require_same_versions(versions() | {"doge_ray": "0.1.0 (bbbbbbbb)"})
    assert unfit_machine(error.value) is error.value
    assert error.value.node == ONE.node
    assert is_hopeless(error.value)
    assert pickle.loads(pickle.dumps(error.value)).node == ONE.node


@pytest.mark.usefixtures("on_node")
def test_a_storage_without_what_the_driver_published_is_refused(tmp_path: Path) -> None:
    stage = Stage("encoding", {"of": "this sweep"})
    there, elsewhere = (StageStore(str(tmp_path / name)) for name in ("a", "b"))
    there.put(stage, {"rows": 1}, lambda folder: None)
    require_same_storage(there, stage)
    with pytest.raises(UnfitMachineError, match=r"sees another place under .*b"):
        require_same_storage(elsewhere, stage)


def nodes(**resources: dict[str, float]) -> list[dict[str, object]]:
    return [
        {"NodeID": letter * 56, "Alive": True, "Resources": {"CPU": 1.0} | own}
        for letter, own in resources.items()
    ]


@pytest.mark.parametrize(
    ("there", "workers"),
    [
        (nodes(a={}), 1),
        (nodes(a={HEAD: 1.0}, b={}), 1),
        (nodes(a={}, b={HEAD: 1.0, "CPU": 0.0}), 1),
        (nodes(a={}, b={}), 2),
    ],
    ids=["alone", "the head", "beside a head without room", "room for one worker of two"],
)
def test_without_room_elsewhere_the_sweep_ends(
    there: list[dict[str, object]], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avoidance.ray, "nodes", lambda: there)
    monkeypatch.setattr(avoidance, "draining_nodes", list)
    said: list[str] = []
    with pytest.raises(SweepError, match=r"its GPU is lost\. Nothing finished is lost; once"):
        avoid({ONE.node: "its GPU is lost"}, {"CPU": 1.0}, workers, said.append)
    avoid({"c" * 56: "it went by itself"}, {"CPU": 1.0}, workers, said.append)
    assert not said


def test_nodes_that_fail_alike_are_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    drained: list[str] = []
    monkeypatch.setattr(avoidance.ray, "nodes", lambda: nodes(a={}, b={}, c={}, d={}, e={}))
    monkeypatch.setattr(avoidance, "draining_nodes", lambda: drained)
    monkeypatch.setattr(avoidance, "_drain", lambda node, why: drained.append(node))
    unfit, said = {}, []
    for letter, gpu in (("a", 0), ("b", 3)):
        unfit[letter * 56] = f"GPU {gpu} of node {letter * 8} cannot be used: no driver"
        avoid(unfit, {"CPU": 1.0}, 1, said.append)
    unfit["d" * 56] = "node dddddddd sees another place under runs"
    avoid(unfit, {"CPU": 1.0}, 1, said.append)
    assert [node[0] for node in drained] == ["a", "b", "d"]
    assert len(said) == 3
    unfit["c" * 56] = "GPU 1 of node cccccccc cannot be used: no driver"
    with pytest.raises(SweepError, match=r"So it was on 3 nodes, one after the other\."):
        avoid(unfit, {"CPU": 1.0}, 1, said.append)


def test_a_source_that_is_changed_meanwhile_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    versions()
    assert not have_changed()
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / ".#a.py").symlink_to("nobody@nowhere")  # an editor's
    monkeypatch.setattr(fitness, "PACKAGE", tmp_path)
    assert have_changed()


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_by_which_two_trials_failed_gets_no_third(cluster: Cluster, tmp_path: Path) -> None:
    path = make_project(
        tmp_path,
        methods=["dense"],
        replicates=3,
        search={"num_trials": 2, "max_failures": 0, "max_concurrent": 2},
        train={"max_epochs": 1},
    )
    address = "--address", cluster.address
    ended = run("sweep", str(path), *address, variables={"RAY_AUTH_MODE": "disabled"})
    assert ended.returncode == 0, ended.stderr
    rows = table(tmp_path)
    assert [row["status"] for row in rows].count("failed") == 2
    assert len(rows) == 5
    assert "is avoided from now on: 2 trials in a row failed by node" in ended.stdout
