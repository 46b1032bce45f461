"""The one way to a terminal: foreign text is shown as it is, and never obeyed.

A domain, a label or a path may hold what a terminal or a library would read as an order: colours,
cursor moves, links, text that runs backwards. No text here is markup, and such characters are
shown by their escapes.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

# Control characters but for line ends and tabs, halves of characters, what cannot be seen, and what
# turns the direction of the text around it.
_ORDERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def shown(text: str) -> str:
    r"""A text in which nothing is an order.

    >>> shown("news\x1b[2J")
    'news\\x1b[2J'
    """
    return _ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line in which some parts, given with their style, stand out."""
    pairs = (part if isinstance(part, tuple) else (part, "") for part in parts)
    return Text.assemble(*((shown(text), style) for text, style in pairs))


def write(text: str, *, end: str = "\n", error: bool = False) -> None:
    """Put a text on standard output, or with ``error`` beside it."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    # Where the terminal has no such letters, as in a locale without UTF-8, their escapes.
    seen = shown(text).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(seen, end=end, file=stream, flush=True)
    except BrokenPipeError:  # whoever reads it has seen enough, as head has
        make_console().on_broken_pipe()


def say(console: Console, what: str, text: str) -> None:
    """One of the lines that a command ends with."""
    console.print(f"{what:8} {text}")


class _PlainConsole(Console):
    """Shows every string as it is."""

    def render_str(self, text: str, **options: Any) -> Text:
        """A string, or a cell of a table, as rich lays it out."""
        return super().render_str(shown(text), **options)


def make_console() -> Console:
    """Standard output; wide enough for tables where no terminal says how wide it is."""
    return _PlainConsole(
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
        width=None if sys.stdout.isatty() else 132,
    )
