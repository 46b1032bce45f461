"""From facts to findings: what is wrong with a node, and the remedy. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from doge_ray.engine.doctor.facts import Facts
from doge_ray.engine.work.fitness import different

CLOCK_WARNING, CLOCK_ERROR = 5.0, 60.0  # seconds
DISK_WARNING, DISK_ERROR = 5 << 30, 1 << 30  # bytes

SHARE = (
    "name a place that every node sees, and may write: storage=FOLDER, mounted everywhere (NFS), "
    "or storage=s3://BUCKET/FOLDER"
)

Level = Literal["fine", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """What a check found at a place; a fine one needs no remedy."""

    place: str
    check: str
    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Answer:
    """A node's facts, and what the driver knows of it.

    ``gpus`` are those that Ray was told of, ``seen`` is what the driver read where the node had
    written; ``sent`` and ``received`` are seconds of the driver's clock.
    """

    node: str
    gpus: float
    facts: Facts
    seen: str | None
    sent: float
    received: float


def inspect(answer: Answer, written: str, versions: Mapping[str, str]) -> list[Finding]:
    """One finding of every check of a node.

    Args:
        answer: of the node.
        written: what the driver wrote for it to read, and to write again.
        versions: of the driver.
    """
    return [
        check_versions(answer, versions),
        check_gpus(answer),
        check_storage(answer, written),
        check_clock(answer),
        check_disk(answer),
    ]


def check_versions(answer: Answer, versions: Mapping[str, str]) -> Finding:
    """Whether the node runs what the driver runs."""
    other = different(answer.facts.versions, versions)
    if not other:
        return Finding(answer.node, "versions", "fine", "the driver's")
    return Finding(
        answer.node,
        "versions",
        "error",
        other,
        "install the driver's versions on every node, doge_ray from the same checkout, and start "
        "Ray there again",
    )


def check_gpus(answer: Answer) -> Finding:
    """Whether the GPUs that Ray hands out are there, and none lies idle."""
    told, there = answer.gpus, answer.facts.gpus
    finding = partial(Finding, answer.node, "GPUs")
    if told and answer.facts.gpu_fault is not None:
        busy = answer.facts.gpu_is_busy
        return finding(
            "warning" if busy else "error",
            f"{there} there, but no tensor can be put on them: {answer.facts.gpu_fault}",
            "wait for what uses them, or look at nvidia-smi there"
            if busy
            else "look at nvidia-smi and torch.version.cuda there: the driver may be older than "
            "the build of torch, or a GPU be lost; or start Ray there with --num-gpus 0",
        )
    if told > there:
        return finding(
            "error",
            f"Ray was told of {told:g}, torch sees {there}",
            "look at nvidia-smi and torch.version.cuda there: a driver, or a build of torch for "
            "it, is missing; or start Ray there with the right --num-gpus",
        )
    if told < there:
        return finding(
            "warning",
            f"torch sees {there}, Ray was told of {told:g}",
            "start Ray there with the right --num-gpus, or the others lie idle",
        )
    return finding("fine", f"{there}")


def check_storage(answer: Answer, written: str) -> Finding:
    """Whether node and driver see each other's files."""
    finding = partial(Finding, answer.node, "storage")
    if answer.facts.refused is not None:
        return finding("error", f"cannot be used: {answer.facts.refused}", SHARE)
    if answer.facts.read != written:
        return finding("error", "is another place there: the driver's file is not in it", SHARE)
    if answer.seen != written:
        return finding("error", "is another place there: its file does not reach the driver", SHARE)
    return finding("fine", "writable and shared")


def check_clock(answer: Answer) -> Finding:
    """Whether the node's clock goes with the driver's."""
    seconds = clock_difference(answer)
    if abs(seconds) <= CLOCK_WARNING:
        return Finding(answer.node, "clock", "fine", "the driver's")
    level: Level = "error" if abs(seconds) > CLOCK_ERROR else "warning"
    ahead = "ahead of" if seconds > 0 else "behind"
    text = f"at least {abs(seconds):.0f} s {ahead} the driver's"
    return Finding(answer.node, "clock", level, text, "set it by NTP: timedatectl set-ntp true")


def clock_difference(answer: Answer) -> float:
    """Seconds that a node's clock is surely ahead of the driver's (behind: negative).

    The node began after it was asked and ended before it was heard, so its clock is ahead by no
    less than ``ended - received`` and no more than ``begun - sent``.
    """
    least = answer.facts.ended - answer.received
    most = answer.facts.begun - answer.sent
    return max(0.0, least) + min(0.0, most)


def check_disk(answer: Answer) -> Finding:
    """Whether there is room for temporary files, and for copies from a storage that is a URI."""
    folder, free = min(answer.facts.free.items(), key=lambda item: item[1])
    text = f"{free / (1 << 30):.1f} GiB free in {folder}"
    if free >= DISK_WARNING:
        return Finding(answer.node, "disk", "fine", text)
    return Finding(
        answer.node,
        "disk",
        "error" if free < DISK_ERROR else "warning",
        text,
        "make room there, or name roomier folders in TMPDIR and DOGE_RAY_CACHE before Ray starts",
    )


def what_is_wrong(findings: Iterable[Finding], uses_gpus: bool) -> list[Finding]:
    """Findings that are not fine; GPUs only matter to who uses them."""
    wrong = (finding for finding in findings if finding.level != "fine")
    return [finding for finding in wrong if uses_gpus or finding.check != "GPUs"]


def remedies(findings: Iterable[Finding]) -> list[str]:
    """What to do, each once, with the places that need it."""
    needed: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.level != "fine":
            needed.setdefault((finding.check, finding.remedy), []).append(finding.place)
    return [f"{check} ({', '.join(places)}): {what}" for (check, what), places in needed.items()]
