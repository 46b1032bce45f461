"""What the doctor makes of facts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.engine.doctor.facts import Facts
from doge_ray.engine.doctor.inspection import (
    Answer,
    Finding,
    check_clock,
    check_disk,
    check_gpus,
    clock_difference,
    inspect,
    remedies,
    what_is_wrong,
)

VERSIONS = {"python": "3.11.7", "torch": "2.13.0", "doge_ray": "0.1.0 (aaaaaaaa)"}
FACTS = Facts(
    versions=VERSIONS,
    gpus=2,
    read="letter",
    refused=None,
    free={"/tmp": 9 << 30, "/cache": 8 << 30},
    begun=101.0,
    ended=103.0,
)
HEALTHY = Answer("10.0.0.7", 2.0, FACTS, "letter", sent=100.0, received=104.0)


def found(answer: Answer) -> dict[str, Finding]:
    """By check; each has one finding of the node."""
    findings = inspect(answer, "letter", VERSIONS)
    assert {finding.place for finding in findings} == {"10.0.0.7"}
    by_check = {finding.check: finding for finding in findings}
    assert len(by_check) == len(findings)
    return by_check


def altered(**facts: object) -> Answer:
    return replace(HEALTHY, facts=replace(FACTS, **facts))


SICK: dict[str, tuple[Answer, str, str, tuple[str, ...]]] = {
    "another version": (
        altered(versions=VERSIONS | {"torch": "2.12.1"}),
        "versions",
        "error",
        ("torch 2.12.1, the driver has 2.13.0",),
    ),
    "another checkout of the same version": (
        altered(versions=VERSIONS | {"doge_ray": "0.1.0 (bbbbbbbb)"}),
        "versions",
        "error",
        ("bbbbbbbb", "aaaaaaaa"),
    ),
    "a missing package": (
        altered(versions={"python": "3.11.7", "torch": "2.13.0"}),
        "versions",
        "error",
        ("doge_ray missing",),
    ),
    "no driver for the GPU": (altered(gpus=0), "GPUs", "error", ("told of 2", "sees 0")),
    "a driver that is too old": (
        altered(gpu_fault="The NVIDIA driver on your system is too old"),
        "GPUs",
        "error",
        ("2 there, but no tensor", "is too old"),
    ),
    "a GPU that another sweep has filled": (
        altered(gpu_fault="CUDA error: out of memory", gpu_is_busy=True),
        "GPUs",
        "warning",
        ("2 there, but no tensor", "out of memory"),
    ),
    "a GPU that Ray is not to use, and that cannot be": (
        replace(altered(gpu_fault="too old"), gpus=0.0),
        "GPUs",
        "warning",
        ("torch sees 2", "told of 0"),
    ),
    "an idle GPU": (altered(gpus=3), "GPUs", "warning", ("sees 3", "told of 2")),
    "a folder of its own": (altered(read=None), "storage", "error", ("the driver's file",)),
    "a folder that is not shared back": (
        replace(HEALTHY, seen=None),
        "storage",
        "error",
        ("does not reach the driver",),
    ),
    "a storage without permission": (
        altered(read=None, refused="Permission denied"),
        "storage",
        "error",
        ("Permission denied",),
    ),
    "a clock that is slow": (altered(begun=71.0, ended=73.0), "clock", "warning", ("29 s behind",)),
    "a clock that is fast": (altered(begun=201.0, ended=203.0), "clock", "error", ("99 s ahead",)),
    "little room": (
        altered(free={"/tmp": 9 << 30, "/c": 2 << 30}),
        "disk",
        "warning",
        ("2.0", "/c"),
    ),
    "no room": (altered(free={"/tmp": 9 << 20, "/c": 9 << 30}), "disk", "error", ("0.0", "/tmp")),
}


def test_a_healthy_node_has_nothing_to_mend() -> None:
    assert {finding.level for finding in found(HEALTHY).values()} == {"fine"}
    assert remedies(found(HEALTHY).values()) == []


@pytest.mark.parametrize("sickness", SICK)
def test_a_sickness_is_found_where_it_is_and_nowhere_else(sickness: str) -> None:
    answer, check, level, words = SICK[sickness]
    findings = found(answer)
    assert {name for name, finding in findings.items() if finding.level != "fine"} == {check}
    assert findings[check].level == level
    for word in words:
        assert word in findings[check].text
    (remedy,) = remedies(findings.values())
    assert remedy.startswith(f"{check} (10.0.0.7): ")
    assert findings[check].remedy in remedy


def test_gpus_that_no_sweep_uses_are_not_in_its_way() -> None:
    findings = [*found(altered(gpus=0, read=None)).values()]
    assert {finding.check for finding in what_is_wrong(findings, True)} == {"GPUs", "storage"}
    assert {finding.check for finding in what_is_wrong(findings, False)} == {"storage"}


def test_a_remedy_is_said_once_for_all_nodes_that_need_it() -> None:
    first = check_gpus(altered(gpus=0))
    second = replace(first, place="10.0.0.8")
    (remedy,) = remedies([first, second])
    assert remedy.startswith("GPUs (10.0.0.7, 10.0.0.8): ")


seconds = st.floats(0.0, 500.0)


@given(st.floats(-1e4, 1e4), seconds, seconds, seconds)
def test_a_clock_is_never_thought_worse_than_it_is(
    ahead: float, out: float, work: float, back: float
) -> None:
    """However long the question, the work and the answer take."""
    answer = replace(
        altered(begun=1e6 + out + ahead, ended=1e6 + out + work + ahead),
        sent=1e6,
        received=1e6 + out + work + back,
    )
    difference = clock_difference(answer)
    assert abs(difference) <= abs(ahead) + 1e-6
    assert difference * ahead >= 0
    # What travelling took is all that it may be wrong by.
    assert abs(difference - ahead) <= max(out, back) + 1e-6


@given(st.floats(-200.0, 200.0))
def test_a_worse_clock_is_no_smaller_finding(ahead: float) -> None:
    levels = ["fine", "warning", "error"]
    clock = check_clock(altered(begun=101.0 + ahead, ended=103.0 + ahead))
    worse = check_clock(altered(begun=101.0 + 2 * ahead, ended=103.0 + 2 * ahead))
    assert levels.index(clock.level) <= levels.index(worse.level)


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 1 << 40), min_size=1))
def test_the_fullest_disk_counts(free: dict[str, int]) -> None:
    fullest = min(free.values())
    alone = check_disk(altered(free={"only": fullest}))
    assert check_disk(altered(free=free)).level == alone.level
    assert (alone.level == "fine") == (fullest >= 5 << 30)
    assert (alone.level == "error") == (fullest < 1 << 30)
