"""The runs that a sweep has in MLflow, found again by its name and storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doge_ray.engine.tracking.server import database_file, impatient, tracking_uri
from doge_ray.errors import InputError
from doge_ray.redact import without_user
from doge_ray.reporting.records import TrackedRun

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.tracking import MlflowClient

EXPERIMENT = "doge_ray"
KEY = "doge_ray.key"
"""Tag by which a run is found: name@training."""
PARENT = "mlflow.parentRunId"
LOCAL_PAGE = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` shows a database file."""


def find_runs(name: str, place: str) -> dict[str, TrackedRun]:
    """The runs of a sweep's trials and stages, by ``name@training``; looks only, writes nothing.

    Found by the sweep's name and storage: its settings may have got defaults that are new since.
    Empty where there are none, or where tracking does not answer.

    Args:
        name: of the sweep.
        place: the storage that holds it, from the root on: what a sweep was told of it may be
            relative to another folder.
    """
    try:
        uri = tracking_uri(place)
    except InputError:
        return {}
    database = database_file(uri)
    if database is not None and not database.is_file():
        return {}  # a client would make it
    # Seconds to import, which a report without runs need not wait for.
    from mlflow.tracking import MlflowClient

    with impatient():
        try:
            client = MlflowClient(tracking_uri=uri)
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                return {}
            number = experiment.experiment_id
            named = client.search_runs([number], f"tags.`mlflow.runName` = '{name}'")
            parents = [run.info.run_id for run in named if run.data.tags.get("place") == place]
            found = {
                key: run
                for parent in reversed(parents)  # the latest has the last word
                for key, run in children(client, number, parent).items()
            }
        except Exception:  # a report without links is better than none, whatever is wrong
            return {}
    page = without_user(uri).rstrip("/") if uri.startswith("http") else LOCAL_PAGE
    return {
        key: TrackedRun(run.info.run_id, f"{page}/#/experiments/{number}/runs/{run.info.run_id}")
        for key, run in found.items()
    }


def children(client: MlflowClient, experiment: str, parent: str) -> dict[str, MlflowRun]:
    """The runs of a sweep's trials and stages, by key."""
    found: dict[str, MlflowRun] = {}
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'", page_token=token)
        found |= {run.data.tags[KEY]: run for run in page}
        token = page.token
        if not token:
            return found
