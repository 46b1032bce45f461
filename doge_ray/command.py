"""What all commands share: one clear message instead of a traceback, exit codes, Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from doge_ray.errors import InputError


def run_command(main: Callable[[Sequence[str]], None]) -> None:
    """Run ``main`` on the command line's arguments and end the process.

    Exit codes: 0 done, 2 bad input, 130 interrupted.
    """
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; nothing finished is lost, the same command goes on", file=sys.stderr)
        sys.exit(130)


def keyed(arguments: Sequence[str], required: set[str]) -> tuple[dict[str, str], list[str]]:
    """Split ``key=value`` arguments into the required ones and the rest.

    Raises:
        InputError: a required key is missing.
    """
    pairs = [argument.partition("=") for argument in arguments]
    found = {key: value for key, _, value in pairs if key in required}
    missing = sorted(required - found.keys())
    if missing:
        raise InputError(f"missing: {', '.join(f'{key}=...' for key in missing)}")
    return found, [a for a in arguments if a.partition("=")[0] not in required]
