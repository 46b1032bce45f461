"""The watcher of spot notices, against a metadata service and a Ray cluster of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import ray
from ray._private.state import state
from ray.cluster_utils import Cluster

from doge_ray import spot
from doge_ray.errors import InputError, SweepError
from tests.metadata import MetadataService

WORKER = "127.0.0.2"


@pytest.fixture
def metadata(monkeypatch) -> Iterator[MetadataService]:
    service = MetadataService("127.0.0.1", WORKER)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
    monkeypatch.setattr(spot, "POLL_SECONDS", 0.05)
    yield service
    service.shutdown()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        cluster.add_node(num_cpus=1, resources={"spot": 1}, node_ip_address=WORKER)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.ray
def test_a_notice_drains_the_node_of_this_machine_and_no_other(metadata, cluster):
    @ray.remote(resources={"spot": 1})
    class Trial:
        def node(self) -> str:
            return ray.get_runtime_context().get_node_id()

    trial = Trial.remote()
    worker = ray.get(trial.node.remote())
    assert state.get_draining_nodes() == {}

    threading.Timer(0.5, give_notice, [metadata]).start()
    spot.main(["--address", cluster.address])

    assert metadata.looks > 2
    assert state.get_draining_nodes() == {worker: metadata.deadline.timestamp() * 1000}
    ray.kill(trial)  # a drained node that has nothing left to do leaves
    wait_for_the_head_alone()
    with pytest.raises(SweepError, match=f"no living node {WORKER}"):
        spot.main(["--address", cluster.address])


def test_where_no_metadata_service_is_the_error_says_so(metadata):
    metadata.shutdown()
    metadata.server_close()
    with pytest.raises(InputError, match="no EC2 metadata service answers at http://127"):
        spot.main(["--address", "127.0.0.1:6379"])


def test_a_service_that_stumbles_is_asked_again(metadata, monkeypatch):
    answers = iter([OSError("reset"), OSError("reset")])
    answer = spot._answer

    def stumbling(request):
        for error in answers:
            raise error
        return answer(request)

    monkeypatch.setattr(spot, "_answer", stumbling)
    give_notice(metadata)
    assert spot.wait_for_notice() == metadata.deadline


def give_notice(metadata: MetadataService) -> None:
    metadata.deadline = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=2)


def wait_for_the_head_alone() -> None:
    end = time.monotonic() + 30
    while len(alive := [node["Resources"] for node in ray.nodes() if node["Alive"]]) > 1:
        assert time.monotonic() < end, "the drained node stays"
        time.sleep(0.1)
    assert ["node:__internal_head__" in resources for resources in alive] == [True]
