"""A mock S3 in this process, which may be told to refuse, and what lies in its bucket."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import fs
from werkzeug.serving import make_server

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "mock",
    "AWS_SECRET_ACCESS_KEY": "mock",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Bucket:
    """A bucket of its own server; ``refuses`` says which requests get 503 Slow Down."""

    def __init__(self) -> None:
        self.refuses: Callable[[str, str], bool] = lambda method, path: False
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line per request
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.uri = self._uri("bucket/runs")

    @contextmanager
    def served(self) -> Iterator[Bucket]:
        """Answer requests; needs ``ENVIRONMENT`` in this process's environment."""
        get_backend("s3")[DEFAULT_ACCOUNT_ID].reset()  # of a server before, in this process
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        filesystem, _ = fs.FileSystem.from_uri(self._uri("", allow_bucket_creation="true"))
        filesystem.create_dir("bucket")
        try:
            yield self
        finally:
            self._server.shutdown()

    def files(self) -> list[str]:
        """The paths of all files, below the root of the URI."""
        keys = self._keys()
        return sorted(key.removeprefix("runs/") for key in keys if not key.endswith("/"))

    def read(self, path: str) -> bytes:
        """A file's content."""
        return bytes(self._keys()[f"runs/{path}"].value)

    def grow_old(self) -> None:
        """Let two hours pass for all that is there."""
        for key in self._keys().values():
            key.last_modified -= timedelta(hours=2)

    def _uri(self, path: str, **settings: str) -> str:
        place = {"endpoint_override": f"127.0.0.1:{self._server.server_port}", "scheme": "http"}
        return f"s3://{path}?{urlencode(place | {'region': 'us-east-1'} | settings)}"

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self.refuses(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            start_response("503 Slow Down", [("Content-Length", "0")])
            return []
        return self._moto(environ, start_response)

    def _keys(self) -> Any:
        return get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets["bucket"].keys
