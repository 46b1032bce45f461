"""Secrets in addresses are not shown: not on the terminal, in files, nor in links."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Greedy: the keys of object stores may hold a slash, and one letter too many hidden is no loss.
_USER = re.compile(r"(?<=://)[^\s'\"<>]+(?=@)")
_HOST = re.compile(r"(\[[^\]]*\]|[^@:]*)(:\d+)?")
_HIDDEN = r"[\w-]*(?:secret|token|passw|credentials?\b|signature|\bsig\b|[_-]?key\b)[\w-]*"
_PARAMETER = re.compile(rf"(?<=[?&;])({_HIDDEN})=[^&;\s'\"<>]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """A text with ``***`` for the users and passwords, keys and tokens in its URIs."""
    return _PARAMETER.sub(r"\1=***", _USER.sub("***", text))


def has_secret(uri: str) -> bool:
    """Whether a URI holds a user, a password, a key or a token."""
    _, scheme, rest = uri.partition("://")
    place, _, query = rest.partition("?")
    host, _, path = place.partition("/")
    is_host = _HOST.fullmatch(host)
    # What looks like a port may be how a key begins that holds a slash.
    is_user = is_host is None or (is_host[2] and "@" in path)
    return bool(scheme) and bool(
        is_user or _USER.search(query) or redacted(f"?{query}") != f"?{query}"
    )


def without_user(uri: str) -> str:
    """A URI to click on: browsers know by themselves who the user is."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
