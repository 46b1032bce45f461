"""Downloads: fetched once, checked by their hash, published atomically."""

from __future__ import annotations

import hashlib
import os
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from doge_ray.atomic import write_file
from doge_ray.errors import InputError


def cache_folder() -> Path:
    """Where downloads are kept: ``$DOGE_RAY_CACHE``, or ``~/.cache/doge_ray``."""
    return Path(os.environ.get("DOGE_RAY_CACHE") or "~/.cache/doge_ray").expanduser()


def fetch(url: str, target: Path, sha256: str, remedy: str) -> None:
    """Make ``target`` the file at ``url``, unless it is there with the right hash already.

    Args:
        url: an address with https.
        target: its folder is made.
        sha256: of the whole file, in hexadecimal digits.
        remedy: what to do where the file cannot be had; ends the messages.

    Raises:
        InputError: there is no way to the file, or the file is another one than expected; nothing
            is kept then.
    """
    if target.is_file() and _sha256(target.read_bytes()) == sha256:
        return
    try:
        with urlopen(url, timeout=30) as response:  # noqa: S310 (our own, https)
            content = response.read()
    except (OSError, HTTPException) as error:
        raise InputError(f"{url} could not be fetched ({error}); {remedy}") from error
    if _sha256(content) != sha256:
        target.unlink(missing_ok=True)
        raise InputError(
            f"{url} has the sha256 {_sha256(content)}, not {sha256}, so it is not used; {remedy}"
        )
    write_file(target, content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
