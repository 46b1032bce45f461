"""The Ray that this process runs on: that of an address, or of this machine."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import AuthenticationError

from doge_ray.errors import InputError
from doge_ray.shell import command_line

_KEEPS_MEMORY = "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"
"""Bytes from which glibc gives an array back to the system at once: a training on processors would
have all its large ones again in the next step, page by page."""


@contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """Connect to ``address`` or ``RAY_ADDRESS``, or start Ray here; disconnect in the end.

    Raises:
        InputError: no cluster answers, or it does not take this process.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None:
        # This machine gives no notice before it goes, and waiting for one costs seconds.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        for name in _KEEPS_MEMORY:
            os.environ.setdefault(name, str(2**40))
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address or "local",
            runtime_env=_own_python() if address is None else None,
            include_dashboard=False if address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r} ({error}); start one with "
            f"{command_line('ray', 'start', '--head')} and name it as HOST:6379, with "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH if it asks for a token, or unset "
            "RAY_ADDRESS to use this machine"
        ) from None
    except (RuntimeError, AuthenticationError) as error:
        if address is None:
            raise
        raise InputError(
            f"the Ray cluster at {address!r} does not take this process: "
            f"{' '.join(str(error).split())}; run with its versions and its token, or send it the "
            "sweep with --submit"
        ) from None
    # Ray's own handler ends the process before anything is written.
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        ray.shutdown()


def _own_python() -> dict[str, str] | None:
    """How Ray is to start this interpreter: it puts the path into a shell's line as it stands."""
    quoted = shlex.quote(sys.executable)
    return None if quoted == sys.executable else {"py_executable": quoted}
