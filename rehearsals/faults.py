"""``python -m rehearsals.faults [NAME ...]``: inflict every fault for real, and say what it cost.

Each fault meets a tiny sweep that runs. The sweep must end with the table and the weights of an
undisturbed one, with nothing lost that was published and every trial tracked once. Prints a table
in Markdown, for docs/reliability.md; the exit status is the number of faults that cost more.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rehearsals import inflictions as inflict
from rehearsals.inflictions import Scene
from rehearsals.services import mlflow_server, small_disk, start_cluster
from rehearsals.subject import SETTINGS, Subject
from tests.engine.bucket import ENVIRONMENT, Bucket

EPOCHS_BEFORE = 3
HEADER = (
    "| fault | results lost | epochs repeated | goes on after | weights differ by | final table |\n"
    + "|---" * 6
    + "|"
)
QUICK = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_worker_niceness": "0",
}
SPANNING: dict[str, Any] = {
    "methods": ["dense"],
    "search": {"num_trials": 1, "sparsity": [0.3]},
    "train": {"max_epochs": 8, "patience": 8, "dropout": 0.0},
    "resources": {"trial_workers": 2, "stage_workers": 2},
}
DIVERGING: dict[str, Any] = {
    "search": SETTINGS["search"]
    | {"sampler": "grid", "sparsity": [0.3], "learning_rate": [0.01, 0.5]}
}

# A trial on each node: the process of one alone would stay warm where it is.
BOTH: dict[str, Any] = {"search": SETTINGS["search"] | {"max_concurrent": 2}}

# Two trials of the same training: one trains, the other keeps a processor and waits.
TWINS: dict[str, Any] = {"search": SETTINGS["search"] | {"learning_rate": [0.01]}}

# What each part of a batch drops is drawn anew, so that without is equal to rounding; of that a
# high learning rate makes more with every step.
SCARCE_TRAINING: dict[str, Any] = {
    "train": SETTINGS["train"] | {"max_epochs": 4, "dropout": 0.0},
    "search": SETTINGS["search"] | {"learning_rate": [1e-4]},
}
INJECTED = {"PYTHONPATH": str(Path(__file__).with_name("injected"))}
SCARCE = INJECTED | {"DOGE_RAY_ROWS": str(inflict.SCARCE_ROWS)}
DIVERGES = INJECTED | {"DOGE_RAY_DIVERGES": "0.5"}

ROUNDING = 1e-6
Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What a sweep ends with."""

    rows: list[Row]
    weights: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, subject: Subject) -> Results:
        """Read them."""
        return cls(subject.rows(), subject.weights())

    def distance(self, other: Results) -> float:
        """The largest difference of two weights of the chosen models."""
        return max(float(abs(w - other.weights[name]).max()) for name, w in self.weights.items())


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and what it happens to."""

    name: str
    inflict: Callable[[Scene], None]
    settings: dict[str, Any] = field(default_factory=dict)
    nodes: int = 0
    """How many nodes the cluster has; 0: the sweep starts Ray by itself."""
    ends: bool = False
    """Whether the sweep ends by it, so that its command has to be given again."""
    mlflow: bool = False
    """Whether a tracking server is used."""
    disk: int = 0
    """Megabytes of the storage's own disk; 0: it has none."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables that inflict the fault by themselves."""
    rounds: bool = False
    """Whether sums are in another order, which an optimiser makes more of."""
    fails: str | None = None
    """Error of the only trials that may fail."""
    gpu: dict[str, str] | None = None
    """What lets the nodes seem to have a GPU."""
    bucket: bool = False
    """Whether the storage is one."""
    says: str = ""
    """What the sweep must tell of it."""


FAULTS = [
    Fault("a trial's process is killed", inflict.kill_trial),
    Fault(
        "the same while it writes a snapshot",
        inflict.kill_while_writing,
        variables=INJECTED | {"DOGE_RAY_WRITES": "3"},
    ),
    Fault("a trial's process stands still for a minute", inflict.pause_trial),
    Fault("the actor that counts failures is killed", inflict.kill_failures),
    Fault(
        "a warm process dies between two tasks",
        inflict.nothing,
        variables=INJECTED | {"DOGE_RAY_DIES": "3"},
        says="goes on after",
    ),
    Fault("driver and Ray are killed", inflict.kill_all, ends=True),
    Fault("the same, and the indexes are lost", inflict.lose_indexes, ends=True),
    Fault("the same, and the indexes are damaged", inflict.damage_indexes, ends=True),
    Fault("Ctrl-C", inflict.interrupt, ends=True),
    Fault("SIGTERM", inflict.terminate, ends=True),
    Fault("a node is lost without notice", inflict.remove_node, nodes=2),
    Fault("the same for good, a trial waits", inflict.remove_busy_node, TWINS, nodes=2),
    Fault("a node is preempted with notice", inflict.preempt_node, nodes=2),
    Fault("head and all nodes are lost", inflict.lose_cluster, nodes=2, ends=True),
    Fault("one of two Train workers is killed", inflict.kill_train_worker, SPANNING, nodes=2),
    Fault("the node of one of two Train workers is lost", inflict.remove_node, SPANNING, nodes=2),
    Fault("the node of a Train worker is preempted", inflict.preempt_node, SPANNING, nodes=2),
    Fault("MLflow is killed, back after a minute", inflict.kill_mlflow, mlflow=True),
    Fault("MLflow stands still for a minute", inflict.pause_mlflow, mlflow=True),
    Fault("storage read-only for a minute", inflict.refuse_writes, disk=256),
    Fault("storage full for a minute", inflict.fill_disk, disk=256),
    Fault(
        "memory for a quarter of a batch",
        inflict.run_short_of_memory,
        SCARCE_TRAINING,
        variables=SCARCE,
        rounds=True,
    ),
    Fault(
        "the same for two Train workers",
        inflict.run_short_of_memory,
        SPANNING | SCARCE_TRAINING,
        variables=SCARCE,
        rounds=True,
    ),
    Fault(
        "an accelerator fails under a trial's process",
        inflict.nothing,
        variables=INJECTED | {"DOGE_RAY_BREAKS": "30"},
    ),
    Fault(
        "a node joins whose GPU does not start",
        inflict.replace_by_broken_node,
        BOTH,
        nodes=2,
        gpu=INJECTED | {"DOGE_RAY_GPU": "works"},
        says="is avoided from now on: GPU 0 of node",
    ),
    Fault("another sweep is started on the same storage", inflict.start_another),
    Fault("the same on a bucket", inflict.start_another, bucket=True),
    Fault("driver and Ray are killed, on a bucket", inflict.kill_all, bucket=True, ends=True),
    Fault(
        "a loss becomes NaN",
        inflict.nothing,
        DIVERGING,
        variables=DIVERGES,
        fails="FloatingPointError",
    ),
]


@dataclass(frozen=True)
class Outcome:
    """What a fault cost."""

    fault: Fault
    lost: int = 0
    repeated: int = 0
    recovery: float = math.nan
    distance: float = math.nan
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A row of the table."""
        cells = [self.fault.name, self.lost, self.repeated, f"{self.recovery:.0f} s"]
        cells.append(f"{self.distance:.2g}")
        verdict = "; ".join(self.problems) or "equal"
        return f"| {' | '.join(map(str, cells))} | {verdict} |"

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost that had been published, and the results are the same."""
        return not self.lost and not self.problems


def rehearse(fault: Fault, folder: Path, undisturbed: Results) -> Outcome:
    """Let a fault happen to a sweep, some epochs after its start."""
    with _scene(fault, folder) as scene:
        subject = scene.subject
        subject.start()
        subject.wait_for_epochs(EPOCHS_BEFORE)
        before = subject.published()
        fault.inflict(scene)
        over, mark = time.monotonic(), subject.mark()
        if fault.ends:
            subject.start()
        # Its end is progress too: how it ended is looked at below.
        subject.wait_until(
            lambda: subject.mark() != mark or subject.running.poll() is not None, "progress"
        )
        recovery = time.monotonic() - over
        status = subject.finish()
        after = subject.published()
        lost = [path for path, result in before.items() if after.get(path) != result]
        results = Results.of(subject)
        distance = results.distance(undisturbed)
        problems = [*_unfinished(fault, subject, status)]
        problems += _differences(results.rows, undisturbed.rows, fault.fails)
        if distance > ROUNDING and not fault.rounds:
            problems.append("other weights")
        return Outcome(fault, len(lost), subject.repeated(), recovery, distance, tuple(problems))


def run_undisturbed(fault: Fault, folder: Path) -> Results:
    """The results of a sweep with a fault's settings, to which nothing happens."""
    fault = replace(fault, variables={})
    with _scene(fault, folder) as scene:
        scene.subject.start()
        if scene.subject.finish():
            raise RuntimeError(f"the undisturbed sweep failed; see {scene.subject.log}")
        return Results.of(scene.subject)


@contextmanager
def _scene(fault: Fault, folder: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        scene = Scene(Subject(folder, fault.settings, QUICK | fault.variables))
        if fault.disk:
            stack.enter_context(small_disk(scene.subject.storage, fault.disk))
            # A database that is refused a write is another fault, below.
            scene.subject.variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        if fault.bucket:
            bucket = stack.enter_context(Bucket().served())
            scene.subject.move(bucket.uri)
            scene.subject.variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        if fault.mlflow:
            scene.mlflow = stack.enter_context(mlflow_server(folder / "mlflow"))
            scene.subject.variables["MLFLOW_TRACKING_URI"] = scene.mlflow.uri
        if fault.nodes:
            scene.cluster = start_cluster(fault.nodes, fault.gpu)
            stack.callback(lambda: scene.cluster.shutdown() if scene.cluster else None)
            scene.subject.address = scene.cluster.address
        try:
            yield scene
        finally:
            if scene.subject.running.poll() is None:
                scene.subject.kill()


def _unfinished(fault: Fault, subject: Subject, status: int) -> Iterator[str]:
    """What shows that the sweep did not end as it should."""
    if status:
        yield f"exit status {status}"
    if fault.says not in subject.text():
        yield f"nothing was said of what {fault.says}"
    tracked = subject.tracked()
    for row in subject.rows():
        name = f"{row['method']}-{row['trial']:04d}-{row['replicate']}"
        if row["status"] == "finished" and tracked[name] != 1:
            yield f"{name} is tracked {tracked[name]} times"
        if row["status"] != "finished" and (not fault.fails or fault.fails not in row["error"]):
            yield f"{name} {row['status']}: {row['error']}"


def _differences(rows: list[Row], undisturbed: list[Row], fails: str | None) -> Iterator[str]:
    """Where the table is another than that of the undisturbed sweep, failures apart."""
    if len(rows) != len(undisturbed):
        yield f"{len(rows)} rows instead of {len(undisturbed)}"
    if fails and all(row["status"] == "finished" for row in rows):
        yield f"no trial failed with {fails}"
    for number, (row, other) in enumerate(zip(rows, undisturbed, strict=False)):
        if fails and row["status"] != "finished":
            continue
        for name, value in other.items():
            if not _are_equal(row[name], value):
                yield f"row {number}: {name} {row[name]} instead of {value}"


def _are_equal(value: object, other: object) -> bool:
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return value == other


def main() -> int:
    """Rehearse the faults that are named, or all; returns how many cost more than they may."""
    parser = argparse.ArgumentParser(prog="python -m rehearsals.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of faults; default: all")
    names = parser.parse_args().names
    os.environ |= ENVIRONMENT  # of the buckets
    chosen = [f for f in FAULTS if not names or any(name in f.name for name in names)]
    place, bad = Path(tempfile.mkdtemp(prefix="faults-")), 0
    references: dict[str, Results] = {}
    print(HEADER, flush=True)
    for number, fault in enumerate(chosen):
        key = str(fault.settings)
        if key not in references:
            references[key] = run_undisturbed(fault, place / f"undisturbed-{number}")
        folder = place / str(number)
        try:
            outcome = rehearse(fault, folder, references[key])
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            outcome = Outcome(fault, problems=(str(error),))
        print(outcome, flush=True)
        bad += not outcome.is_good
        if outcome.is_good:
            shutil.rmtree(folder)
    return bad


if __name__ == "__main__":
    sys.exit(main())
