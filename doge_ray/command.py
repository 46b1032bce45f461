"""What all commands share: one clear message instead of a traceback, exit codes, Ctrl-C."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from rich.console import Console

from doge_ray.errors import InputError, SweepError
from doge_ray.redact import redacted

LONGEST = 4000  # letters of a message


def run_command(main: Callable[[Sequence[str]], None]) -> None:
    """Run ``main`` on the command line's arguments and end the process.

    Exit codes: 0 done, 1 a sweep that cannot go on, or a fault, 2 bad input, 130 interrupted.
    """
    # Sent by ``ray job stop``, schedulers and containers: it goes the way of Ctrl-C, also where a
    # shell started the command with SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        sys.exit(2)
    except SweepError as error:
        print(f"stopped: {explained(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; nothing finished is lost, the same command goes on", file=sys.stderr)
        sys.exit(130)
    except Exception:
        # A fault of ours or of a library's, which may name an address with its password.
        print(redacted(traceback.format_exc()), file=sys.stderr)
        sys.exit(1)


def explained(error: Exception) -> str:
    """What is shown of an error: no secrets, and no more than a screen of a value in it."""
    text = redacted(str(error))
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def say(console: Console, what: str, text: str) -> None:
    """One of the lines that a command ends with; a path may hold what looks like markup."""
    console.print(f"{what:8} {text}", markup=False)


def make_console() -> Console:
    """Standard output; wide enough for tables where no terminal says how wide it is."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 132)
