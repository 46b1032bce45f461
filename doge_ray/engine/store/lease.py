"""Who may write to a bucket: a lease, renewed while its holder lives.

An object store has no locks, but every object that was written is in every list made afterwards.
So whoever wants in first writes that it asks, then looks at who else does or holds: of those that
ask at once the first by name goes in, and waits for the others to leave or to hold. Ages are
differences between the storage's own times of writing, so no clock of a machine matters.
"""

from __future__ import annotations

import _thread
import hashlib
import logging
import math
import os
import signal
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
        self._entered = math.inf
        self._over = threading.Event()
        self._renewer = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._renewer.join()
        self._drop(f"{self._name}.held")

    def acquire(self) -> Self:
        """Get in, where nobody is; who may have died is waited for until that is sure.

        Raises:
            filelock.Timeout: another one holds the lease, and lives.
            OSError: the store refuses.
        """
        try:
            self._ask()
        except BaseException:
            self._drop(f"{self._name}.asking")
            raise
        self._drop(f"{self._name}.asking")
        self._renewer.start()
        return self

    def _ask(self) -> None:
        first_seen: dict[str, float] = {}
        while True:
            asked = time.monotonic()
            others = self._others()
            held = {name: written for name, written in others.items() if name.endswith(".held")}
            if any(first_seen.get(name, written) != written for name, written in held.items()):
                raise Timeout(self._place.name)  # renewed meanwhile
            askers = others.keys() - held.keys()
            # One that asked after this one will see it, and wait.
            earlier = [name for name in askers if others[name] <= self._entered]
            first = min([self._name, *askers])
            if not (held or earlier) and first == self._name and self._take(asked):
                return
            if held.keys() - first_seen.keys():
                _LOG.warning("%s is held; looking whether its holder lives", self._place.name)
            first_seen = held | first_seen
            if first != self._name:
                self._drop(f"{self._name}.asking")  # the first waits for that
                self._entered = math.inf
            time.sleep(_POLL)

    def _take(self, asked: float) -> bool:
        """Hold the lease; not where that took so long that the asker may pass for dead."""
        self._write("held")
        if time.monotonic() - asked < EXPIRES / 2 and not self._rivals():
            return True
        self._drop(f"{self._name}.held")
        return False

    def _renew(self) -> None:
        while not self._over.wait(RENEWED):
            try:
                self._write("held")
                # Whoever took over saw no renewal: the machine slept, or its way was cut.
                if any(name < self._name for name in self._rivals()):
                    break
            except (OSError, KeyError) as error:  # an asker may have taken it for a dead one's
                _LOG.warning("the lease of %s could not be renewed: %s", self._place.name, error)
        else:
            return
        _LOG.error(
            "another sweep holds %s too, which this one did not reach for %g s; this one ends, and "
            "nothing published is lost",
            self._place.name,
            EXPIRES,
        )
        _thread.interrupt_main(signal.SIGTERM)  # Ctrl-C may be ignored, as behind a shell's &

    def _rivals(self) -> list[str]:
        """Others that hold the lease too, and live; of two the first by name goes on."""
        written = self._written()
        now = written[f"{self._name}.held"]
        return [
            name
            for name, when in written.items()
            if name.endswith(".held")
            and not name.startswith(self._name)
            and now - when < EXPIRES
            and not _is_dead(name)
        ]

    def _others(self) -> dict[str, float]:
        """When each lease of others that still counts was written; those that do not go."""
        self._write("asking")
        written = self._written()
        now = written[f"{self._name}.asking"]
        self._entered = min(self._entered, now)
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
        except FileNotFoundError:
            pass
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
