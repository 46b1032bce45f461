"""A tiny sweep that is to be disturbed: its process, what it has published and what it left."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray
from pyarrow import fs
from safetensors.numpy import load

from tests.engine.project import command, environment, kill_session, make_data, make_project

SETTINGS: dict[str, Any] = {
    "methods": ["dense"],
    "train": {"max_epochs": 6, "patience": 6},
    "search": {"num_trials": 2, "sparsity": {"low": 0.2, "high": 0.6}, "variance_weight": [1.0]},
}
ROWS = 2000
"""Rows of each domain: an epoch of the tiny model takes some seconds."""

NOISE = 0.2
"""Share of wrong labels, so that no metric is perfect whatever happens."""

PATIENCE = 900.0
_EPOCH = re.compile(r"(\S+)  epoch (\d+)/")


@dataclass
class Subject:
    """A sweep in a folder of its own."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    address: str | None = None
    _process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.path = make_project(self.folder, **(SETTINGS | self.settings))
        make_data(self.folder / "data.jsonl", ROWS, NOISE)
        self.log, self.storage = self.folder / "log.txt", self.folder / "runs"
        self._stored: fs.FileSystem = fs.SubTreeFileSystem(str(self.storage), fs.LocalFileSystem())

    def move(self, storage: str) -> None:
        """Let the storage be a bucket instead of a folder."""
        self.variables["DOGE_RAY_STORAGE"] = storage
        self.path.write_text(re.sub("(?m)^storage: .*\n", "", self.path.read_text()))
        filesystem, root = fs.FileSystem.from_uri(storage)
        self._stored = fs.SubTreeFileSystem(root, filesystem)

    @property
    def running(self) -> subprocess.Popen[str]:
        """The process of the command that was started last."""
        assert self._process is not None, "no command was started"
        return self._process

    def start(self, *overrides: str) -> None:
        """Start the sweep's command, in a session of its own."""
        place = ["--address", self.address] if self.address else []
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                command("sweep", str(self.path), *overrides, *place),
                env=environment() | self.variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Look ten times a second; the sweep must not end before."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.running.poll() is not None:
                raise RuntimeError(f"the sweep ended before {what}; see {self.log}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited in vain for {what}; see {self.log}")
            time.sleep(0.1)

    def wait_for_epochs(self, number: int) -> None:
        """Until so many epochs were reported."""
        self.wait_until(lambda: len(self.epochs()) >= number, f"{number} epochs")

    def finish(self) -> int:
        """Wait for the end; returns the exit status."""
        return self.running.wait(PATIENCE)

    def end(self, number: signal.Signals) -> None:
        """Send the command a signal and wait for its end."""
        self.running.send_signal(number)
        self.finish()

    def kill(self) -> None:
        """SIGKILL every process of the sweep's session, Ray's daemons too."""
        kill_session(self.running.pid)
        self.running.wait()

    def epochs(self) -> list[tuple[str, int]]:
        """Trial and number of every epoch that was reported, repeated ones too."""
        return [(name, int(number)) for name, number in _EPOCH.findall(self.text())]

    def repeated(self) -> int:
        """Epochs that were reported more than once."""
        return sum(count - 1 for count in Counter(self.epochs()).values())

    def text(self) -> str:
        """Everything that the command printed."""
        return self.log.read_text() if self.log.exists() else ""

    def published(self) -> dict[str, str]:
        """Results of the published stages, by path."""
        found = {}
        stages = fs.FileSelector("store", allow_not_found=True, recursive=True)
        for file in self._stored.get_file_info(stages):
            if file.base_name == "published.json" and file.path.count("/") == 3:
                text = self._read(file.path).decode()
                found[file.path] = text.partition('"files"')[0]  # losers' weights are dropped later
        return found

    def mark(self) -> tuple[int, int]:
        """Changes whenever the sweep gets on."""
        return len(self.published()), len(self.epochs())

    def rows(self) -> list[dict[str, Any]]:
        """The table of trials, without what depends on the clock."""
        rows = pq.read_table("tiny/trials.parquet", filesystem=self._stored).to_pylist()
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights of the model that was chosen, by name."""
        return dict(load(self._read("tiny/models/dense/model.safetensors")))

    def _read(self, path: str) -> bytes:
        with self._stored.open_input_stream(path) as file:
            return bytes(file.read())

    def tracked(self) -> Counter[str]:
        """How many finished MLflow runs there are of each trial."""
        place = f"sqlite:///{self.storage}/mlflow.db"
        client = MlflowClient(self.variables.get("MLFLOW_TRACKING_URI", place))
        experiment = client.get_experiment_by_name("doge_ray")
        assert experiment is not None
        most = 50_000  # MLflow's own: a soak has more than its default
        found = client.search_runs([experiment.experiment_id], max_results=most)
        return Counter(run.info.run_name for run in found if run.info.status == "FINISHED")
