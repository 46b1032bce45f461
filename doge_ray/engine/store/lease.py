"""Who may write to a bucket: a lease, renewed while its holder lives.

An object store has no locks, but every object that was written is in every list made afterwards.
So whoever wants in first writes that it asks, then looks at who else does or holds: of those that
ask at once the first by name goes in, and an asker waits for others to leave or to hold. Ages are
differences between the storage's own times of writing, so no clock of a machine matters.
"""

from __future__ import annotations

import _thread
import hashlib
import logging
import os
import threading
import time
import uuid
from pathlib import Path
from typing import Protocol, Self

from filelock import Timeout
from pyarrow import fs

FOLDER = ".leases"
RENEWED, EXPIRES = 15.0, 60.0
"""Seconds between two renewals, and after the last of them until the lease is anyone's."""
_POLL = 1.0
_LOG = logging.getLogger(__name__)


class Place(Protocol):
    """A folder of an object store."""

    name: str

    @property
    def filesystem(self) -> fs.FileSystem:
        """What lists and deletes its objects."""

    @property
    def path(self) -> str:
        """Where it is on ``filesystem``."""

    def write(self, path: str, data: bytes) -> None:
        """Put an object in place."""


class Lease:
    """The right to write below a place, from ``acquire`` until the ``with`` block ends."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._name = f"{machine()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._over = threading.Event()
        self._renewer = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._renewer.join()
        self._drop(f"{self._name}.held")

    def acquire(self) -> Self:
        """Get in, where nobody is; a holder that may have died is waited for until that is sure.

        Raises:
            filelock.Timeout: another one holds the lease, and lives.
        """
        first_seen: dict[str, float] = {}
        while True:
            asked = time.monotonic()
            others = self._others()
            held = {name: written for name, written in others.items() if name.endswith(".held")}
            lives = any(first_seen.get(name, written) != written for name, written in held.items())
            if lives or any(name < self._name for name in others.keys() - held.keys()):
                self._drop(f"{self._name}.asking")
                raise Timeout(self._place.name)
            if not others and self._take(asked):
                return self
            if held.keys() - first_seen.keys():
                _LOG.warning("%s is held; looking whether its holder lives", self._place.name)
            first_seen = held | first_seen
            time.sleep(_POLL)

    def _take(self, asked: float) -> bool:
        """Hold the lease; not where that took so long that others may take the asker for dead."""
        self._write("held")
        if time.monotonic() - asked > EXPIRES / 2:
            self._drop(f"{self._name}.held")
            return False
        self._drop(f"{self._name}.asking")
        self._renewer.start()
        return True

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(RENEWED):
            try:
                if time.monotonic() - renewed > EXPIRES / 2 and self._is_taken():
                    break
                self._write("held")
                renewed = time.monotonic()
            except OSError as error:
                _LOG.warning("the lease of %s could not be renewed: %s", self._place.name, error)
        else:
            return
        _LOG.error(
            "another sweep has taken over %s, which this one did not reach for %g s; this one "
            "ends, and nothing published is lost",
            self._place.name,
            EXPIRES,
        )
        _thread.interrupt_main()

    def _is_taken(self) -> bool:
        """Whether another one has held the lease since this one last renewed it."""
        written = self._written()
        own = written.get(f"{self._name}.held", 0.0)
        return any(
            name.endswith(".held") and when > own and not name.startswith(self._name)
            for name, when in written.items()
        )

    def _others(self) -> dict[str, float]:
        """When each lease of others that still counts was written; those that do not go."""
        self._write("asking")
        written = self._written()
        now = written[f"{self._name}.asking"]
        others = {n: when for n, when in written.items() if not n.startswith(self._name)}
        for name, when in list(others.items()):
            if now - when >= EXPIRES or _is_dead(name):
                self._drop(name)
                del others[name]
        return others

    def _written(self) -> dict[str, float]:
        """By name, when each lease was last written, by the storage's clock."""
        selector = fs.FileSelector(f"{self._place.path}/{FOLDER}", allow_not_found=True)
        found = self._place.filesystem.get_file_info(selector)
        return {info.base_name: info.mtime.timestamp() for info in found if info.mtime is not None}

    def _write(self, state: str) -> None:
        # With a content: some stores keep no time of an empty object.
        self._place.write(f"{FOLDER}/{self._name}.{state}", b"{}")

    def _drop(self, name: str) -> None:
        try:
            self._place.filesystem.delete_file(f"{self._place.path}/{FOLDER}/{name}")
        except OSError as error:  # it runs out by itself
            _LOG.warning("the lease %s could not be given back: %s", name, error)


def machine() -> str:
    """A name for what numbers processes here: a machine since its last start, or a container."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    numbers = Path("/proc/self/ns/pid")
    try:
        known = f"{boot.read_text()}{numbers.readlink()}"
    except OSError:
        known = uuid.uuid4().hex  # another system: nobody's processes can be looked for
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def _is_dead(name: str) -> bool:
    """Whether a lease is of a process of this machine that has ended."""
    where, process, _ = name.split("-")
    if where != machine():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
