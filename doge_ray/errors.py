"""What a user sees without a traceback."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

MOST_NAMES, LONGEST_NAME = 30, 80
"""What a message lists of names, and shows of each."""


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
    by_letters = {name.casefold(): name for name in known}
    match = difflib.get_close_matches(word.casefold(), list(by_letters), n=1, cutoff=0.5)
    return f"; did you mean {by_letters[match[0]]!r}?" if match else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """The names there are, the nearest one first: ``did you mean 'books'? There are: ...``."""
    names = sorted(known)
    hint = nearest(name, names).removeprefix("; ")
    return f"{hint + ' ' if hint else ''}There are: {listed(names)}"


def listed(names: Iterable[str]) -> str:
    """Names one after the other, the first ``MOST_NAMES`` of many, cut where they are texts."""
    names = list(names)
    shown = [name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…" for name in names]
    more = len(names) - MOST_NAMES
    told = ", ".join(shown[:MOST_NAMES]) or "none"
    return f"{told} and {more} more" if more > 0 else told
