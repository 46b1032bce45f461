"""Nothing that is to be written is lost, doubled or overtaken while MLflow is away."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

from doge_ray.engine.tracking import outbox
from doge_ray.engine.tracking.outbox import Outbox


class Server:
    """Takes notes while it is up; each call takes a second."""

    def __init__(self) -> None:
        self.time, self.up, self.notes = 0.0, True, list[int]()

    def write(self, number: int) -> None:
        self.time += 1
        if not self.up:
            raise ConnectionError("refused\nby the server")
        self.notes.append(number)


@given(moments=st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=40))
def test_all_is_written_in_order_once_it_answers(moments: list[tuple[bool, float]]) -> None:
    server, lines = Server(), list[str]()
    box = Outbox(lines.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox.time, "monotonic", lambda: server.time)
        for number, (up, pause) in enumerate(moments):
            server.up, server.time = up, server.time + pause
            box.put(partial(server.write, number))
            assert server.notes == list(range(len(server.notes)))
        server.up = True
        assert box.finish() == 0
    assert server.notes == list(range(len(moments)))
    # One line when it goes, one when it is back.
    assert [("not answer" in line) for line in lines] == [n % 2 == 0 for n in range(len(lines))]


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("Invalid metric name: 'a//b'", INVALID_PARAMETER_VALUE),
        MlflowException("Run 'x' not found", RESOURCE_DOES_NOT_EXIST),
        KeyError("never started"),
    ],
)
def test_what_it_refuses_keeps_nothing_back(error: Exception) -> None:
    server, lines = Server(), list[str]()
    box = Outbox(lines.append)

    def refused() -> None:
        raise error

    for write in (refused, partial(server.write, 1), partial(server.write, 2)):
        box.put(write)
    assert (server.notes, box.finish()) == ([1, 2], 0)
    assert len(lines) == 1
    assert str(error) in lines[0]


def test_no_password_is_shown_when_it_is_away() -> None:
    lines = list[str]()

    def fail() -> None:
        raise MlflowException("API request to http://me:hush@host/api failed")

    Outbox(lines.append).put(fail)
    assert "http://***@host/api failed" in lines[0]


def test_it_is_not_asked_at_every_event_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.up = False
    monkeypatch.setattr(outbox.time, "monotonic", lambda: server.time)
    box = Outbox(lambda line: None)
    for number in range(100):
        box.put(partial(server.write, number))
    assert server.time == 1.0


def test_a_finished_sweep_waits_for_it_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.up = False

    def sleep(seconds: float) -> None:
        server.time += seconds

    monkeypatch.setattr(outbox.time, "monotonic", lambda: server.time)
    monkeypatch.setattr(outbox.time, "sleep", sleep)
    box = Outbox(lambda line: None)
    box.put(partial(server.write, 1))
    assert box.finish(patience=100) == 1
    assert 100 <= server.time < 110
