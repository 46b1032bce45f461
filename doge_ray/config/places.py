"""Paths and URIs of settings, checked before anything is looked for there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from doge_ray.redact import has_secret, redacted

# Of the common file systems; what is longer could not be told apart from what does not exist.
LONGEST_PATH, LONGEST_NAME = 4095, 255
_DATA_PLACES = ("path", "root", "hub")


def check_path(path: str) -> str:
    """Refuse what no file system can hold.

    Raises:
        ValueError: says what is wrong with it.
    """
    if not path or "\0" in path:
        raise ValueError("is empty, or holds a NUL character; write a path")
    try:
        length = max(map(len, path.encode().split(b"/")))
        Path(path).expanduser()
    except (UnicodeEncodeError, RuntimeError) as error:
        raise ValueError(f"is no path ({error}); write another") from None
    if len(path.encode()) > LONGEST_PATH or length > LONGEST_NAME:
        raise ValueError(
            f"is too long for a path: {LONGEST_PATH} bytes are the most, {LONGEST_NAME} for each "
            "folder; write a shorter one"
        )
    return path


def beside(file: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings in which a place that stands beside their file, and not here, is named so.

    Args:
        file: which they were read from.
        settings: as written there; a relative path is one of the working directory, first of all.
    """
    found = dict(settings)
    for key in settings.keys() & {"model", "data", *_DATA_PLACES}:
        value = settings[key]
        if isinstance(value, dict):
            found[key] = beside(file, value)
        elif isinstance(value, str) and not _is_there(Path(value)):
            there = file.parent / value
            found[key] = str(there) if _is_there(there) else value
        elif isinstance(value, str) and value.startswith("~"):
            found[key] = str(Path(value).expanduser())
    return found


def _is_there(path: Path) -> bool:
    try:
        return path.expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False  # what is no path is refused later


def absolute(path: str) -> Path:
    """The path from the root on, without ``..`` in it.

    A link stays a link where it can: on another machine it may lead elsewhere.
    """
    place = Path(path).expanduser().absolute()
    return place.resolve() if ".." in place.parts else place


def check_storage(root: str) -> str:
    """Refuse a storage with a password or key in it: it would stand in results and logs.

    Raises:
        ValueError: says what is wrong with it; secrets are not shown.
    """
    check_path(root)
    if has_secret(root):
        raise ValueError(
            f"{redacted(root)!r} holds credentials, which do not belong into settings; give them "
            "by the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), a profile, or the "
            "role of the machine"
        )
    return root


LocalPath = Annotated[str, AfterValidator(check_path)]
StoragePlace = Annotated[str, AfterValidator(check_storage)]
