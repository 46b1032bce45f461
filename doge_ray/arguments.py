"""Command lines: what is wrong with one is said with the flag that was meant."""

from __future__ import annotations

import argparse
from typing import NoReturn

from doge_ray.errors import nearest
from doge_ray.terminal import write

_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """argparse's, which names the nearest flag for a misspelt one and demands no settings."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and end with exit code 2."""
        write(self.format_usage(), error=True, end="")
        # What is optional is no part of what is missing.
        message = message.replace(", key=value", "")
        write(f"error: {message}{self._meant(message)}", error=True)
        self.exit(2)

    def _meant(self, message: str) -> str:
        wrong = message.removeprefix(_UNKNOWN).split()[:1] if message.startswith(_UNKNOWN) else []
        flags = [flag for action in self._actions for flag in action.option_strings]
        return "".join(nearest(flag.partition("=")[0], flags) for flag in wrong)
