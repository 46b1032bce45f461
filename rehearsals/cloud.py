"""AWS, played by moto, with hosts of namespaces for the machines that it lends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from rehearsals.hosts import Host

REGION = "us-west-2"
_PORT = 5555


class Cloud:
    """The API, and a few machines in stock.

    Args:
        ip: where the API answers.
        stock: hosts that are handed out in this order, with the private address of the instance
            that they become; an instance beyond them never answers.
    """

    def __init__(self, ip: str, stock: Sequence[Host]) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{ip}:{_PORT}",
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_DEFAULT_REGION": REGION,
        }
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
        self._server = ThreadedMotoServer(ip_address=ip, port=_PORT, verbose=False)
        self._stock, self._lent = list(stock), dict[str, Host]()
        self._thread = threading.Thread(target=self._deliver, daemon=True)

    def open(self) -> None:
        """Begin to answer, and to hand out machines."""
        self._server.start()
        self._thread.start()

    def client(self, service: str) -> Any:
        """boto3's client of a service of this cloud."""
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
            region_name=REGION,
        )

    def instances(self) -> list[dict[str, Any]]:
        """All that are there or starting, as EC2 describes them."""
        states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        answer = self.client("ec2").describe_instances(Filters=states)
        return [i for reservation in answer["Reservations"] for i in reservation["Instances"]]

    def _deliver(self) -> None:
        while True:
            running = {i["InstanceId"]: i["PrivateIpAddress"] for i in self.instances()}
            for gone in self._lent.keys() - running.keys():
                self._lent.pop(gone).stop()
            for new in running.keys() - self._lent.keys():
                if self._stock:
                    self._lent[new] = self._stock.pop(0)
                    self._lent[new].move(running[new])
            time.sleep(0.5)


def tags(instance: dict[str, Any]) -> dict[str, str]:
    """An instance's tags by name."""
    return {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
