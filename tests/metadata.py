"""EC2's metadata service, version 2, played by a small server."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "secret"


class MetadataService(ThreadingHTTPServer):
    """It answers those who fetched a token; a notice once ``deadline`` is set.

    Args:
        place: address to listen at.
        ip: of the machine that asks.
    """

    def __init__(self, place: str, ip: str) -> None:
        super().__init__((place, 0), _Handler)
        self.place, self.ip = place, ip
        self.deadline: datetime | None = None
        self.looks = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.place}:{self.server_port}"

    def entry(self, path: str) -> str | None:
        """What stands at a path; None where nothing does."""
        if path == "/latest/meta-data/local-ipv4":
            return self.ip
        if path == "/latest/meta-data/spot/instance-action":
            self.looks += 1
            if self.deadline is not None:
                return json.dumps({"action": "terminate", "time": f"{self.deadline:%FT%TZ}"})
        return None


class _Handler(BaseHTTPRequestHandler):
    server: MetadataService

    def do_PUT(self) -> None:
        lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        fits = self.path == "/latest/api/token" and lifetime is not None
        self._answer(200 if fits else 400, TOKEN)

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            return self._answer(401, "")
        entry = self.server.entry(self.path)
        return self._answer(404 if entry is None else 200, entry or "")

    def _answer(self, status: int, text: str) -> None:
        with suppress(BrokenPipeError):  # who asks has its own limit of time
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
