"""A bucket is written by one sweep at a time, and by the next soon after that has died."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from filelock import Timeout

from doge_ray.engine.store import lease
from doge_ray.engine.store.backends import backend_of
from doge_ray.engine.store.lease import Lease
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError
from tests.engine.bucket import ENVIRONMENT, Bucket


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    # The storage's clock counts seconds.
    for name, value in {"RENEWED": 1.0, "EXPIRES": 4.0, "_POLL": 0.3}.items():
        monkeypatch.setattr(lease, name, value)
    with Bucket().served() as bucket:
        yield bucket


def new(bucket: Bucket) -> Lease:
    return Lease(backend_of(bucket.uri))


def leases(bucket: Bucket) -> list[str]:
    return [name for name in bucket.files() if name.startswith(lease.FOLDER)]


def test_one_is_in_and_the_next_after_it(bucket: Bucket) -> None:
    first, second = Storage(bucket.uri), Storage(bucket.uri)
    with first.locked():
        time.sleep(5)  # beyond what a lease lasts that nobody renews
        with pytest.raises(InputError, match="another sweep runs in"), second.locked():
            pass
        assert len(leases(bucket)) == 1
    with second.locked():
        pass
    assert leases(bucket) == []


def held_elsewhere(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the lease of a process of another machine, which renews it no more."""
    monkeypatch.setattr(lease, "machine", lambda: "elsewhere")
    monkeypatch.setattr(Lease, "_renew", lambda self: None)
    new(bucket).acquire()
    monkeypatch.undo()


def test_a_holder_on_another_machine_that_died_is_waited_for(bucket: Bucket) -> None:
    with pytest.MonkeyPatch.context() as elsewhere:
        held_elsewhere(bucket, elsewhere)
    began = time.monotonic()
    with new(bucket).acquire():
        assert 2 < time.monotonic() - began < 8
        assert len(leases(bucket)) == 1


def hold_for_ever(uri: str) -> None:
    lease.RENEWED = 1.0
    with Lease(backend_of(uri)).acquire():
        time.sleep(600)


def test_a_holder_of_this_machine_that_was_killed_is_not_waited_for(bucket: Bucket) -> None:
    spawning = multiprocessing.get_context("spawn")
    process = spawning.Process(target=hold_for_ever, args=[bucket.uri], daemon=True)
    process.start()
    while not any(name.endswith(".held") for name in leases(bucket)):
        time.sleep(0.05)
    with pytest.raises(Timeout):
        new(bucket).acquire()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    began = time.monotonic()
    with new(bucket).acquire():
        assert time.monotonic() - began < 2


def test_of_many_at_once_one_is_in_at_a_time(bucket: Bucket) -> None:
    inside, most, entered = 0, 0, 0
    count = threading.Lock()

    def enter() -> None:
        nonlocal inside, most, entered
        for _ in range(2):
            try:
                with new(bucket).acquire():
                    with count:
                        inside, entered = inside + 1, entered + 1
                        most = max(most, inside)
                    time.sleep(0.05)
                    with count:
                        inside -= 1
            except Timeout:
                time.sleep(0.1)

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert entered >= 1
    assert leases(bucket) == []


def unreachable(state: str) -> None:
    raise OSError("the way to the bucket is cut")


def test_of_two_holders_one_ends(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of one was cut for longer than its lease lasts, and another one took over."""
    ended: list[object] = []
    monkeypatch.setattr("_thread.interrupt_main", ended.append)
    first = new(bucket).acquire()
    with monkeypatch.context() as cut:
        cut.setattr(first, "_write", unreachable)
        second = new(bucket).acquire()
    assert not ended
    time.sleep(4)
    assert ended == [signal.SIGTERM]
    time.sleep(2)
    assert len(ended) == 1
    first.__exit__()
    second.__exit__()


def test_a_store_that_refuses_leaves_nothing_in_the_way(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(Lease, "_written", lambda self: unreachable(""))
        with pytest.raises(OSError, match="cut"):
            new(bucket).acquire()
    assert leases(bucket) == []
    with new(bucket).acquire():
        pass
