"""What a user sees without a traceback."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


class InputError(Exception):
    """Bad input, found before any compute is spent.

    The message names the value, the place it came from and the remedy; the commands print it
    alone and end with exit code 2.
    """


class SweepError(Exception):
    """A sweep that cannot go on; the same command tries again from where it stands.

    The commands print the message alone and end with exit code 1.
    """


DAMAGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading JSON of another form than expected raises."""


def one_form(name: str) -> str:
    """A name in Unicode's form NFC: é is one letter, also where it was an e and an accent."""
    return unicodedata.normalize("NFC", name)


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean ...?"`` for the closest known word, or nothing."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """The names there are, the nearest one first: ``did you mean 'books'? There are: ...``."""
    names = sorted(known)
    hint = nearest(name, names).removeprefix("; ")
    return f"{hint + ' ' if hint else ''}There are: {', '.join(names) or 'none'}"
