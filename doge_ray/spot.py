"""``python -m doge_ray.spot --address HOST:6379``: on a spot machine, pass its notice on to Ray.

EC2 tells a machine two minutes before it takes it away. Ray is told then, so that it starts
nothing more there, Ray Train can save a snapshot, and what dies is no failure of the sweep's.
``cluster.yaml`` starts one watcher on every worker; it ends when it has done its work.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from datetime import datetime
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from doge_ray.arguments import Parser
from doge_ray.command import run_command
from doge_ray.errors import InputError
from doge_ray.shell import called
from doge_ray.terminal import write

POLL_SECONDS = 5.0
"""As often as EC2 advises to look."""
_TIMEOUT_SECONDS = 2.0


def main(arguments: Sequence[str]) -> None:
    """Wait for the notice, and drain this machine's Ray node."""
    options = _parser().parse_args(arguments)
    ip = own_ip()
    write(f"watching for the spot notice of {ip}")
    deadline = wait_for_notice()

    from doge_ray.engine.cluster.drain import drain_preempted  # Ray takes a second to import

    drain_preempted(options.address, ip, deadline)
    write(f"draining {ip}, which is taken away at {deadline:%H:%M:%S} UTC")


def own_ip() -> str:
    """This machine's private address, as the metadata service knows it.

    Raises:
        InputError: no metadata service answers.
    """
    try:
        ip = _metadata("local-ipv4")
    except OSError as error:
        raise InputError(
            f"no EC2 metadata service answers at {_endpoint()} ({error}); watch for spot notices "
            "on EC2 machines only, or name another one in AWS_EC2_METADATA_SERVICE_ENDPOINT"
        ) from None
    return str(ip)


def wait_for_notice() -> datetime:
    """When this machine is taken away; returns as soon as that is known."""
    while True:
        try:
            notice = _metadata("spot/instance-action")
        except OSError:
            notice = None  # it has answered before, and will again
        if notice is not None:
            return datetime.fromisoformat(json.loads(notice)["time"])
        time.sleep(POLL_SECONDS)


def _metadata(path: str) -> str | None:
    """An entry of the instance's metadata; None where there is none (yet)."""
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = _answer(Request(f"{_endpoint()}/latest/api/token", headers=lifetime, method="PUT"))
    url = f"{_endpoint()}/latest/meta-data/{path}"
    try:
        return _answer(Request(url, headers={"X-aws-ec2-metadata-token": token}))
    except HTTPError as error:
        if error.code == 404:
            return None
        raise


def _answer(request: Request) -> str:
    with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        return bytes(response.read()).decode()


def _endpoint() -> str:
    """Where the metadata service is; the variable is the one that AWS's own tools read."""
    place = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
    return place.rstrip("/")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called("spot"),
        description="Tell Ray when EC2 is about to take this spot machine away.",
    )
    parser.add_argument("--address", required=True, help="of the Ray cluster, HOST:PORT")
    return parser


if __name__ == "__main__":
    run_command(main)
