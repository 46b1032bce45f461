"""MLflow: a parent run per sweep, one nested run per trial and per shared stage.

Runs are found by a tag, so that a sweep that goes on continues its runs instead of doubling them.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from doge_ray.config.places import absolute
from doge_ray.config.schema import SweepConfig
from doge_ray.engine.store import Stage
from doge_ray.engine.tracking.keys import metric_key
from doge_ray.engine.tracking.moved import follow
from doge_ray.engine.tracking.runs import EXPERIMENT, KEY, PARENT, children
from doge_ray.engine.tracking.server import database_file, silent, tracking_uri

# The driver waits while it writes: better to write later than to wait for minutes. A run's address
# would stand between the lines of progress, with the password that it may hold.
_MANNERS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
SUPERSEDED = "superseded"
_MARKS = {SUPERSEDED, "error"}
"""Tags that do not hold any more once a run goes on."""


class Tracker:
    """Writes the runs of one sweep. Only the driver does, so no two writers meet.

    Args:
        config: of the sweep.
        science: what determines its results; a sweep of the same name with other settings, or in
            another storage, is another run.
        place: the storage.

    A trial has a name and a training. What its training is may change, when another dense model
    is chosen to draw its ticket from; the run of the earlier one is then tagged as superseded.
    """

    def __init__(self, config: SweepConfig, science: Mapping[str, Any], place: str) -> None:
        self.uri = tracking_uri(config.storage)
        self.client = _client(self.uri)
        self.runs: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self._of_name: dict[str, set[str]] = {}
        self._marks: dict[str, set[str]] = {}
        self._closed: set[str] = set()
        self._true_names: dict[str, str] = {}
        identity = Stage("sweep", {**science, "place": place}).digest
        try:
            self.experiment = self._experiment(config)
            parent = self._open(f"{config.name}-{identity}", {}, name=config.name)
            self.parent = str(parent.info.run_id)
            for key, run in children(self.client, self.experiment, self.parent).items():
                self._know(key, run)
            tags = {"model": config.model, "place": place}
            self._log(self.parent, params=_text(science), tags=tags)
        except (MlflowException, sqlite3.Error) as error:
            raise silent(self.uri, error) from None

    def start(
        self, name: str, training: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        """Open the run of a trial or stage, or go on with it.

        Args:
            name: of the trial or stage.
            training: digest of its training; another training's run of that name is superseded.
            params: hyper-parameters, as MLflow shows them.
            tags: more to find the run by.
        """
        key = f"{name}@{training}"
        if key not in self.runs:
            self._know(key, self._open(key, {PARENT: self.parent, **tags}, name=name))
        run, self.keys[name] = self.runs[key], key
        for other in self._of_name[name] - {key}:
            if SUPERSEDED not in self._marks[self.runs[other]]:
                self._mark(self.runs[other], **{SUPERSEDED: "by another dense model's scores"})
        for outdated in [*self._marks[run]]:
            self._unmark(run, outdated)
        if not self.is_closed(name):
            self.client.update_run(run, status="RUNNING")
            self._log(run, params=_text({**params, "training": training}))

    def epoch(self, name: str, epoch: int, metrics: Mapping[str, float | None]) -> None:
        """Log an epoch's metrics; an epoch that is logged already is left alone."""
        run = self._run(name)
        logged = self.client.get_metric_history(run, metric_key(next(iter(metrics))))
        if epoch not in {metric.step for metric in logged}:
            self._log(run, metrics=metrics, step=epoch)

    def is_closed(self, name: str) -> bool:
        """Whether a run was logged to its end."""
        return self._run(name) in self._closed

    def end(
        self,
        name: str,
        *,
        metrics: Mapping[str, float | None] | None = None,
        texts: Mapping[str, str] | None = None,
        figures: Mapping[str, Any] | None = None,
        files: tuple[Path, ...] = (),
        tags: Mapping[str, str] | None = None,
        status: str = "FINISHED",
    ) -> None:
        """Close a run with its last metrics and its artifacts; a closed one is left alone.

        Args:
            name: of the trial or stage.
            metrics: last values; those that are None are left out.
            texts: contents of text files, by file name.
            figures: matplotlib's, by file name.
            files: to copy as they are.
            tags: more to find the run by.
            status: MLflow's word for how it ended.
        """
        if self.is_closed(name):
            return
        run = self._run(name)
        self._log(run, metrics=metrics or {})
        self._mark(run, **(tags or {}))
        for path, text in (texts or {}).items():
            self.client.log_text(run, text, path)
        for path, figure in (figures or {}).items():
            self.client.log_figure(run, figure, path)
        for file in files:
            self.client.log_artifact(run, str(file))
        self.client.set_terminated(run, status)
        if status == "FINISHED":
            self._closed.add(run)

    def close(self, status: str, texts: Mapping[str, str] | None = None) -> None:
        """End the parent run, with texts as its artifacts.

        Where metrics have shorter keys than names, it holds the true ones.
        """
        written = dict(texts or {})
        if self._true_names:
            names = json.dumps(self._true_names, indent=1, ensure_ascii=False)
            written["metric_names.json"] = names
        for name, text in written.items():
            self.client.log_text(self.parent, text, name)
        self.client.set_terminated(self.parent, status)

    def _run(self, name: str) -> str:
        return self.runs[self.keys[name]]

    def _know(self, key: str, run: MlflowRun) -> None:
        """Remember a run as it is: nobody else writes, so MLflow need not be asked again."""
        identity = str(run.info.run_id)
        self.runs[key] = identity
        self._of_name.setdefault(key.rpartition("@")[0], set()).add(key)
        self._marks[identity] = _MARKS & run.data.tags.keys()
        if run.info.status == "FINISHED":
            self._closed.add(identity)

    def _mark(self, run: str, **tags: str) -> None:
        self._log(run, tags=tags)
        self._marks[run] |= _MARKS & tags.keys()

    def _unmark(self, run: str, tag: str) -> None:
        try:
            self.client.delete_tag(run, tag)
        except MlflowException as error:
            # An earlier try got through, and only its answer was lost.
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
        self._marks[run].discard(tag)

    def _key(self, name: str) -> str:
        key = metric_key(name)
        if key != name:
            self._true_names[key] = name
        return key

    def _experiment(self, config: SweepConfig) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        # A server keeps artifacts where it was told to; a database file needs a folder beside it.
        place = None if os.environ.get("MLFLOW_TRACKING_URI") else _artifacts(config.storage)
        if found is None:
            return str(self.client.create_experiment(EXPERIMENT, artifact_location=place))
        database, before = database_file(self.uri), str(found.artifact_location)
        # A server may have put them elsewhere, where they still are.
        if place and database and before != place and before.startswith("file:"):
            follow(database, before, place)
        return str(found.experiment_id)

    def _open(self, key: str, tags: Mapping[str, str], name: str) -> MlflowRun:
        found = self.client.search_runs(
            [self.experiment],
            f"tags.`{KEY}` = '{key}'"
            + (f" and tags.`{PARENT}` = '{tags[PARENT]}'" if PARENT in tags else ""),
        )
        if found:
            return found[0]
        return self.client.create_run(self.experiment, tags={KEY: key, **tags}, run_name=name)

    def _log(
        self,
        run: str,
        *,
        params: Mapping[str, str] | None = None,
        metrics: Mapping[str, float | None] | None = None,
        tags: Mapping[str, str] | None = None,
        step: int = 0,
    ) -> None:
        now = int(time.time() * 1000)
        self.client.log_batch(
            run,
            [
                Metric(self._key(name), float(value), now, step)
                for name, value in (metrics or {}).items()
                if value is not None
            ],
            [Param(name, value) for name, value in (params or {}).items()],
            [RunTag(name, value) for name, value in (tags or {}).items()],
        )


def make_database(storage: str) -> None:
    """Have MLflow make its database file, if it is to be one: two seconds, the first time."""
    uri = tracking_uri(storage)
    if database_file(uri) is not None:
        with suppress(MlflowException, sqlite3.Error):  # whoever opens a run in it will say so
            _client(uri).search_experiments(max_results=1)


def _client(uri: str) -> MlflowClient:
    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    return MlflowClient(tracking_uri=uri)


def _artifacts(storage: str) -> str:
    return (absolute(storage) / "mlartifacts").as_uri()


def _text(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }
