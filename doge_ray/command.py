"""What all commands share: one clear message instead of a traceback, exit codes, Ctrl-C."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from doge_ray.errors import InputError, SweepError
from doge_ray.redact import redacted
from doge_ray.terminal import write

LONGEST = 4000  # letters of a message


def run_command(main: Callable[[Sequence[str]], None]) -> None:
    """Run ``main`` on the command line's arguments and end the process.

    Exit codes: 0 done, 1 a sweep that cannot go on, or a fault, 2 bad input, 130 interrupted.
    """
    # Sent by ``ray job stop``, schedulers and containers: it goes the way of Ctrl-C, also where a
    # shell started the command with SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    atexit.register(gc.freeze)  # or Python ends with a search for garbage in all that was imported
    try:
        main(sys.argv[1:])
    except InputError as error:
        write(f"error: {explained(error)}", error=True)
        sys.exit(2)
    except SweepError as error:
        write(f"stopped: {explained(error)}", error=True)
        sys.exit(1)
    except KeyboardInterrupt:
        write("interrupted; nothing finished is lost, the same command goes on", error=True)
        sys.exit(130)
    except Exception:
        # A fault of ours or of a library's, which may name an address with its password.
        write(redacted(traceback.format_exc()), error=True)
        sys.exit(1)


def explained(error: Exception) -> str:
    """What is shown of an error: no secrets, and no more than a screen of a value in it."""
    text = redacted(str(error))
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
