"""Which MLflow a sweep is tracked by, and whether it answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from doge_ray.config.places import absolute
from doge_ray.errors import InputError

_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}


def tracking_uri(storage: str) -> str:
    """``MLFLOW_TRACKING_URI``, or a database file in the storage.

    Raises:
        InputError: the storage is no folder and no server is named.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        return uri
    if "://" in storage:
        raise InputError(
            f"storage={storage!r} cannot hold MLflow's database; "
            "start an MLflow server and set MLFLOW_TRACKING_URI to its address"
        )
    return database_uri(absolute(storage) / "mlflow.db")


def database_uri(file: Path) -> str:
    """The address of a database file, as SQLAlchemy reads it.

    A % or ? in it would be an order there, so it is quoted from that folder on, slashes too: for
    the part before the last slash MLflow makes a folder, which then is one that there is.
    """
    odd = next((n for n, part in enumerate(file.parts) if {*part} & {"%", "?"}), None)
    if odd is None:
        return f"sqlite:///{file}"
    return f"sqlite:///{Path(*file.parts[:odd])}/{quote('/'.join(file.parts[odd:]), safe='')}"


def database_file(uri: str) -> Path | None:
    """The file of an address that ``database_uri`` made; None of a server's."""
    path = uri.removeprefix("sqlite:///")
    return None if path == uri else Path(unquote(path))


def check_tracking(storage: str) -> str:
    """Where runs will be tracked, once that answered.

    Raises:
        InputError: it does not.
    """
    uri = tracking_uri(storage)
    database = database_file(uri)
    if database is not None and not database.is_file():
        return uri  # the sweep will make it
    from mlflow.tracking import MlflowClient  # takes seconds, and is not always needed

    with impatient():
        try:
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
        except Exception as error:  # whatever is wrong with it
            raise silent(uri, error) from None
    return uri


def is_refused(error: Exception) -> bool:
    """Whether MLflow has answered, or was never asked: a new try would end the same way."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in _REFUSALS
    if isinstance(error, OSError) and error.filename is not None:
        return True  # a folder's, such as that it may not be written
    return isinstance(error, LookupError | TypeError | ValueError | AttributeError)


def silent(uri: str, error: Exception) -> InputError:
    """The error of a server that does not answer."""
    reason = str(error).partition("\n")[0]
    return InputError(
        f"MLflow does not answer at {uri} ({reason}); start its server, or name another in "
        "MLFLOW_TRACKING_URI"
    )


@contextmanager
def impatient() -> Iterator[None]:
    """Give up on a server that does not answer, instead of trying for minutes."""
    limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
