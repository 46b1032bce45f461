"""What all commands share: one clear message instead of a traceback, exit codes, Ctrl-C."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from doge_ray.errors import InputError, SweepError


def run_command(main: Callable[[Sequence[str]], None]) -> None:
    """Run ``main`` on the command line's arguments and end the process.

    Exit codes: 0 done, 1 a sweep that cannot go on, 2 bad input, 130 interrupted.
    """
    # Sent by ``ray job stop``, schedulers and containers: it goes the way of Ctrl-C, also where a
    # shell started the command with SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except SweepError as error:
        print(f"stopped: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; nothing finished is lost, the same command goes on", file=sys.stderr)
        sys.exit(130)


def make_console() -> Console:
    """Standard output; wide enough for tables where no terminal says how wide it is."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 124)
