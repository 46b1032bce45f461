"""Whether the machine of a process can do a sweep's work, asked where the work is to be done.

The doctor's round sees the machines that are there when a sweep starts. One that joins later is
looked at by the first process that works on it.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

import ray

from doge_ray.engine.store import Stage, StageStore
from doge_ray.shipped import BESIDE, PACKAGE

_PACKAGES = ("torch", "ray", "transformers", "numpy", "pyarrow")


class UnfitMachineError(RuntimeError):
    """A process runs on a machine, Ray's ``node``, that cannot do its work."""

    def __init__(self, message: str, node: str = "") -> None:
        super().__init__(message)
        self.node = node


def require_same_versions(expected: Mapping[str, str]) -> None:
    """Refuse to work where other versions are installed: their results would be others.

    Args:
        expected: the ``versions`` of the process that gave the work.

    Raises:
        UnfitMachineError: names what differs.
    """
    other = different(versions(), expected)
    if other:
        raise _unfit(
            f"has {other}; install the driver's versions there, doge_ray from the same checkout, "
            "and start Ray there again"
        )


def require_same_storage(store: StageStore, published: Stage) -> None:
    """Refuse to work where the sweep's storage is another place, in which results would be lost.

    Args:
        store: of the sweep, as this machine sees it.
        published: a stage that is in it.

    Raises:
        UnfitMachineError: it is not there.
    """
    if store.result(published) is None:
        raise _unfit(
            f"sees another place under {store.root}: what the driver has published is not in it; "
            "mount the storage there, and start Ray there again"
        )


def different(here: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """What is of another version than expected, in words; empty where nothing is."""
    return "; ".join(
        f"{name} {here.get(name, 'missing')}, the driver has {wanted}"
        for name, wanted in expected.items()
        if here.get(name) != wanted
    )


@cache
def versions() -> dict[str, str]:
    """The versions that must agree, as this process was started with them."""
    return _versions()


def have_changed() -> bool:
    """Whether others are installed by now."""
    return _versions() != versions()


def _versions() -> dict[str, str]:
    """Python, packages, and doge_ray with a hash of its source."""
    # The build of torch, as in 2.13.0+cpu, may differ between a head and its GPU nodes.
    found = {name: version(name).partition("+")[0] for name in _PACKAGES}
    source = f"{version('doge-ray')} ({source_digest()})"
    return {"python": platform.python_version(), "doge_ray": source, **found}


def source_digest() -> str:
    """A hash of the installed modules, by name and content."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        if BESIDE in file.parents or file.name.startswith("."):
            continue  # in a wheel: they build the package, and are no part of it; an editor's own
        digest.update(str(file.relative_to(PACKAGE)).encode() + b"\n" + file.read_bytes())
    return digest.hexdigest()[:8]


def _unfit(what: str) -> UnfitMachineError:
    context = ray.get_runtime_context()
    node = context.get_node_id()
    return UnfitMachineError(f"node {node[:8]} {what}", node)
