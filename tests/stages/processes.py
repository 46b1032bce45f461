"""Processes that share work over gloo, started once for many checks."""

from __future__ import annotations

import multiprocessing
import pickle
import traceback
import uuid
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import torch
import torch.distributed as dist

from doge_ray.stages.world import World

IMPORTS = ["doge_ray.engine.work.training", "doge_ray.stages.score", "tests.encoders.networks"]
IMPORTS += ["pytest"]
PATIENCE = 60  # seconds for the other processes, and for one call


class Together:
    """Runs module-level functions as ``function(world, *arguments)`` in all processes at once."""

    def __init__(self, folder: Path, size: int = 2) -> None:
        self.folder, self.size = folder, size
        self.processes: list[Any] = []
        self.connections: list[Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process, connection in zip(self.processes, self.connections, strict=True):
            process.terminate()
            process.join()
            connection.close()
        self.processes, self.connections = [], []

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What each process returned, in rank order."""
        if not self.processes:
            self._start()
        for connection in self.connections:
            # Plain pickle: multiprocessing's own would let them share a tensor's memory.
            connection.send_bytes(pickle.dumps((function, arguments)))
        answers = [self._answer(connection) for connection in self.connections]
        errors = [answer for failed, answer in answers if failed]
        if errors:
            self.__exit__()
            raise AssertionError("\n".join(errors))
        return [answer for _, answer in answers]

    def _start(self) -> None:
        # A clean process imports once, and the others are forked from it.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTS)
        group = (self.folder / uuid.uuid4().hex).as_uri()
        for rank in range(self.size):
            ours, theirs = context.Pipe()
            self.processes.append(
                context.Process(target=_serve, args=(rank, self.size, group, theirs), daemon=True)
            )
            self.connections.append(ours)
            self.processes[-1].start()

    def _answer(self, connection: Connection) -> tuple[bool, Any]:
        if not connection.poll(2 * PATIENCE):
            return True, "no answer"
        return pickle.loads(connection.recv_bytes())


def _serve(rank: int, size: int, group: str, connection: Connection) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=group,
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=PATIENCE),
    )
    world = World.current(torch.device("cpu"))
    while True:
        function, arguments = pickle.loads(connection.recv_bytes())
        try:
            answer = False, function(world, *arguments)
        except Exception:
            answer = True, traceback.format_exc()
        connection.send_bytes(pickle.dumps(answer))
