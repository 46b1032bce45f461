"""MLflow: a parent run per sweep, one nested run per trial and per shared stage.

Runs are found by a tag, so that a sweep that goes on continues its runs instead of doubling them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from doge_ray.config import SweepConfig
from doge_ray.engine.store import Stage
from doge_ray.errors import InputError
from doge_ray.redact import without_user
from doge_ray.reporting.records import TrackedRun

LOCAL_PAGE = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` shows a database file."""
# The driver waits while it writes: better to write later than to wait for minutes. A run's address
# would stand between the lines of progress, with the password that it may hold.
_MANNERS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_KEY = "doge_ray.key"
_PARENT = "mlflow.parentRunId"
# Characters that MLflow allows in no name of a metric; a slash only where a path may have one.
_ODD = re.compile(r"[^\w\-. :]")
_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}


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
        for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        for name, value in _MANNERS.items():
            os.environ.setdefault(name, value)
        self.uri = tracking_uri(config.storage)
        self.client = MlflowClient(tracking_uri=self.uri)
        self.runs: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        identity = Stage("sweep", {**science, "place": place}).digest
        try:
            self.experiment = self._experiment(config)
            self.parent = self._open(f"{config.name}-{identity}", {}, name=config.name)
            self.runs |= _children(self.client, self.experiment, self.parent)
            tags = {"model": config.model, "place": place}
            self._log(self.parent, params=_text(science), tags=tags)
        except MlflowException as error:
            raise _silent(self.uri, error) from None

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
        run = self.runs.get(key) or self._open(key, {_PARENT: self.parent, **tags}, name=name)
        for other in self.runs:
            if other.startswith(f"{name}@") and other != key:
                self._log(self.runs[other], tags={"superseded": "by another dense model's scores"})
        self.runs[key], self.keys[name] = run, key
        for outdated in {"superseded", "error"} & self.client.get_run(run).data.tags.keys():
            self.client.delete_tag(run, outdated)
        if not self.is_closed(name):
            self.client.update_run(run, status="RUNNING")
            self._log(run, params=_text({**params, "training": training}))

    def epoch(self, name: str, epoch: int, metrics: Mapping[str, float | None]) -> None:
        """Log an epoch's metrics; an epoch that is logged already is left alone."""
        run = self._run(name)
        logged = self.client.get_metric_history(run, next(iter(metrics)))
        if epoch not in {metric.step for metric in logged}:
            self._log(run, metrics=metrics, step=epoch)

    def is_closed(self, name: str) -> bool:
        """Whether a run was logged to its end."""
        return bool(self.client.get_run(self._run(name)).info.status == "FINISHED")

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
        self._log(run, metrics=metrics or {}, tags=tags or {})
        for path, text in (texts or {}).items():
            self.client.log_text(run, text, path)
        for path, figure in (figures or {}).items():
            self.client.log_figure(run, figure, path)
        for file in files:
            self.client.log_artifact(run, str(file))
        self.client.set_terminated(run, status)

    def close(self, status: str, texts: Mapping[str, str] | None = None) -> None:
        """End the parent run, with texts as its artifacts."""
        for name, text in (texts or {}).items():
            self.client.log_text(self.parent, text, name)
        self.client.set_terminated(self.parent, status)

    def _run(self, name: str) -> str:
        return self.runs[self.keys[name]]

    def _experiment(self, config: SweepConfig) -> str:
        found = self.client.get_experiment_by_name("doge_ray")
        if found is not None:
            return str(found.experiment_id)
        # A server keeps artifacts where it was told to; a database file needs a folder beside it.
        place = None if "MLFLOW_TRACKING_URI" in os.environ else _artifacts(config.storage)
        return str(self.client.create_experiment("doge_ray", artifact_location=place))

    def _open(self, key: str, tags: Mapping[str, str], name: str) -> str:
        found = self.client.search_runs(
            [self.experiment],
            f"tags.`{_KEY}` = '{key}'"
            + (f" and tags.`{_PARENT}` = '{tags[_PARENT]}'" if _PARENT in tags else ""),
        )
        if found:
            return str(found[0].info.run_id)
        run = self.client.create_run(self.experiment, tags={_KEY: key, **tags}, run_name=name)
        return str(run.info.run_id)

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
                Metric(_ODD.sub("_", name), float(value), now, step)
                for name, value in (metrics or {}).items()
                if value is not None
            ],
            [Param(name, value) for name, value in (params or {}).items()],
            [RunTag(name, value) for name, value in (tags or {}).items()],
        )


def find_runs(config: SweepConfig, place: str) -> dict[str, TrackedRun]:
    """The runs of a sweep's trials and stages, by ``name@training``; looks only, writes nothing.

    Found by the sweep's name and storage: its settings may have got defaults that are new since.
    Empty where there are none, or where tracking does not answer.
    """
    uri = tracking_uri(config.storage)
    database = uri.removeprefix("sqlite:///")
    if database != uri and not Path(database).is_file():
        return {}  # a client would make it
    with _impatient():
        try:
            client = MlflowClient(tracking_uri=uri)
            experiment = client.get_experiment_by_name("doge_ray")
            if experiment is None:
                return {}
            number = experiment.experiment_id
            named = client.search_runs([number], f"tags.`mlflow.runName` = '{config.name}'")
            parents = [run.info.run_id for run in named if run.data.tags.get("place") == place]
            found = {
                key: run
                for parent in reversed(parents)  # the latest has the last word
                for key, run in _children(client, number, parent).items()
            }
        except Exception:  # a report without links is better than none, whatever is wrong
            return {}
    page = without_user(uri).rstrip("/") if uri.startswith("http") else LOCAL_PAGE
    return {
        name: TrackedRun(run, f"{page}/#/experiments/{number}/runs/{run}")
        for name, run in found.items()
    }


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
    return f"sqlite:///{Path(storage).expanduser().absolute() / 'mlflow.db'}"


def check_tracking(storage: str) -> str:
    """Where runs will be tracked, once that answered.

    Raises:
        InputError: it does not.
    """
    uri = tracking_uri(storage)
    database = uri.removeprefix("sqlite:///")
    if database != uri and not Path(database).is_file():
        return uri  # the sweep will make it
    with _impatient():
        try:
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
        except Exception as error:  # whatever is wrong with it
            raise _silent(uri, error) from None
    return uri


def is_refused(error: Exception) -> bool:
    """Whether MLflow has answered, or was never asked: a new try would end the same way."""
    if isinstance(error, MlflowException):
        return error.error_code in _REFUSALS
    return isinstance(error, LookupError | TypeError | ValueError | AttributeError)


def _silent(uri: str, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0]
    return InputError(
        f"MLflow does not answer at {uri} ({reason}); start its server, or name another in "
        "MLFLOW_TRACKING_URI"
    )


def _children(client: MlflowClient, experiment: str, parent: str) -> dict[str, str]:
    """Run ids of a sweep's trials and stages, by key."""
    found: dict[str, str] = {}
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{_PARENT}` = '{parent}'", page_token=token)
        found |= {run.data.tags[_KEY]: run.info.run_id for run in page}
        token = page.token
        if not token:
            return found


@contextmanager
def _impatient() -> Iterator[None]:
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


def _artifacts(storage: str) -> str:
    return (Path(storage).expanduser().absolute() / "mlartifacts").as_uri()


def _text(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }
