"""The doctor's round: facts from every node, and what the driver alone needs."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console
from rich.table import Table

from doge_ray.config.schema import SweepConfig
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.cluster.connection import connected
from doge_ray.engine.cluster.ray_private import draining_nodes
from doge_ray.engine.cluster.start import await_machines
from doge_ray.engine.doctor.facts import gather
from doge_ray.engine.doctor.inspection import Answer, Finding, inspect, remedies, what_is_wrong
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.tracking.server import check_tracking
from doge_ray.engine.work.fitness import versions
from doge_ray.errors import InputError
from doge_ray.redact import redacted
from doge_ray.terminal import styled

ANSWER_SECONDS = 90.0
"""What a node may take; loading torch from a network drive is slow, longer is a node that hangs."""
DRIVER = "driver"
UNABLE = "install doge_ray there as on the driver's node, and start Ray there again"
SILENT = "look at that node: its load, its network, and whether the storage hangs there"
_COLOURS = {"fine": "green", "warning": "yellow", "error": "red"}


def require_health(storage: str, uses_gpus: bool, address: str | None, console: Console) -> None:
    """Look at a cluster before a sweep; says only what is wrong, and of GPUs only to who uses them.

    Machines of one's own that are being set up are waited for.

    Args:
        storage: where the sweep's results will lie.
        uses_gpus: whether its work may run on GPUs.
        address: of the cluster; None: as ``RAY_ADDRESS`` says.
        console: takes what is to be read.

    Raises:
        InputError: something is that the sweep would fail by.
    """
    with connected(address):
        await_machines(console.print)
        found = examine(storage)
    wrong = what_is_wrong(found, uses_gpus)
    if wrong:
        show(wrong, console)
    errors = [finding for finding in wrong if finding.level == "error"]
    if errors:
        places = ", ".join(dict.fromkeys(finding.place for finding in errors))
        raise InputError(f"nothing was started: see to what is wrong above ({places}) first")


def examine(storage: str, seconds: float = ANSWER_SECONDS) -> list[Finding]:
    """Every check of the driver and of each node of the cluster that is connected to.

    Args:
        storage: of the sweep.
        seconds: that the nodes have for their answers, all at the same time.
    """
    place, letter, mine = Storage(storage), f".doctor-{uuid.uuid4().hex}", versions()
    stored = _found("storage", lambda: _leave(place, letter))
    findings = [
        Finding(DRIVER, "versions", "fine", ", ".join(f"{k} {v}" for k, v in mine.items())),
        _found("MLflow", lambda: check_tracking(storage)),
        stored,
    ]
    try:
        for answer in _ask(place, letter, seconds):
            found = inspect(answer, letter, mine) if isinstance(answer, Answer) else [answer]
            # Where not even the driver can write, no node is at fault.
            findings += [f for f in found if f.check != "storage" or stored.level == "fine"]
    finally:
        if stored.level == "fine":
            place.delete(letter)
    return findings


def examine_inputs(config: SweepConfig) -> list[Finding]:
    """Whether model and data are reachable from here: the nodes get them from the store."""
    return [
        _found("model", lambda: f"{config.model}: {find_model(config.model)}"),
        _found("data", lambda: f"{config.data.set}: {', '.join(load_corpus(config.data).train)}"),
    ]


def show(findings: Iterable[Finding], console: Console) -> None:
    """A table of findings, and below it the remedies."""
    findings = list(findings)
    table = Table("node", "check", "finding")
    for finding in findings:
        colour = _COLOURS[finding.level]
        text = styled((finding.level, colour), "  ", redacted(finding.text))
        table.add_row(finding.place, finding.check, text)
    console.print(table)
    for remedy in remedies(findings):
        console.print(redacted(remedy))


def _found(check: str, look: Callable[[], str]) -> Finding:
    """What a look at something found, or the two halves of the error: what is wrong, what to do."""
    try:
        return Finding(DRIVER, check, "fine", look())
    except InputError as error:
        wrong, _, remedy = str(error).partition("; ")
        return Finding(DRIVER, check, "error", wrong, remedy or wrong)


def _leave(place: Storage, letter: str) -> str:
    """Write the file that every node is to read; where it was written.

    Raises:
        InputError: it cannot be written, or would go with the job.
    """
    is_submitted = "working_dir" in ray.get_runtime_context().runtime_env
    if is_submitted and place.lies_in(Path.cwd()):
        raise InputError(
            f"storage={place.root!r} lies in the job's own folder, which goes with the job; "
            "name a folder of the cluster from its root on, or s3://BUCKET/FOLDER"
        )
    place.check_writable()
    place.write_text(f"{letter}/{DRIVER}", letter)
    return place.root


def _ask(place: Storage, letter: str, seconds: float) -> Iterator[Answer | Finding]:
    """Send for the facts of all nodes at once; a node that gives none is a finding itself."""
    sent_for = ray.remote(num_cpus=0, max_retries=0)(gather)
    nodes = _alive()
    names, asked = _names(nodes), {}
    for identity in nodes:
        there = NodeAffinitySchedulingStrategy(identity, soft=False)
        files = f"{letter}/{DRIVER}", f"{letter}/{identity}"
        sent = time.time()
        answer = sent_for.options(scheduling_strategy=there).remote(place.root, *files)
        asked[answer] = identity, sent
    waiting, until = list(asked), time.monotonic() + seconds
    while waiting:
        done, waiting = ray.wait(waiting, timeout=max(0.0, until - time.monotonic()))
        if not done:
            break
        received = time.time()
        identity, sent = asked[done[0]]
        try:
            facts = ray.get(done[0])
        except Exception as error:  # whatever keeps a node from answering
            cause = str(error).strip().splitlines()[-1]
            if identity in _alive():  # else it was a spot machine, which may go
                yield Finding(names[identity], "answer", "error", cause, UNABLE)
            continue
        seen = place.read_text(f"{letter}/{identity}")
        gpus = nodes[identity]["Resources"].get("GPU", 0.0)
        yield Answer(names[identity], gpus, facts, seen, sent, received)
    for answer in waiting:
        ray.cancel(answer, force=True)
        identity, _ = asked[answer]
        if identity in _alive():
            yield Finding(names[identity], "answer", "error", f"none in {seconds:g} s", SILENT)


def _alive() -> dict[str, dict[str, Any]]:
    """What Ray knows of the nodes that are to stay, by Ray's number of them."""
    leaving = draining_nodes()
    there = (node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in leaving)
    return {node["NodeID"]: node for node in there}


def _names(nodes: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The addresses of nodes, with a piece of Ray's number where several share one."""
    shared = Counter(node["NodeManagerAddress"] for node in nodes.values())
    return {
        identity: node["NodeManagerAddress"]
        + (f" {identity[:6]}" if shared[node["NodeManagerAddress"]] > 1 else "")
        for identity, node in nodes.items()
    }
