"""A sweep as a Ray job: sent to a cluster from outside, followed, and found again.

The job runs on the cluster's head, so it neither needs this machine nor ends with it. Only the
sweep's YAML files travel: doge_ray is installed there, data, model and storage are the cluster's.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import ray
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from doge_ray.engine.cluster.ray_private import UPLOADS
from doge_ray.errors import InputError, SweepError
from doge_ray.redact import redacted
from doge_ray.shell import command_line
from doge_ray.terminal import write

TUNNEL = "http://127.0.0.1:8265"
"""Where ``ray dashboard cluster.yaml`` forwards a cluster's job server to."""
STOP_SECONDS = 60
"""How long a stopped sweep may take to write its tables; Ray itself waits 3 seconds."""
SILENCE_SECONDS = 300
"""A tunnel that broke while the laptop slept says nothing; after so long, connect anew."""
RETRY_SECONDS = 5

_LOST = (OSError, RuntimeError, aiohttp.ClientError)
_ODD = (RuntimeError, ValueError, KeyError, TypeError)
"""An answer that is an error, or not what this version of Ray's client expects."""


def submit(
    sweep: str, files: Mapping[str, Path], overrides: Sequence[str], address: str | None
) -> int:
    """Start a sweep on a cluster, or find it running there, and follow it to its end.

    What it prints is shown from its beginning: all that would have been seen by staying.

    Args:
        sweep: its name. While a job of that name runs there is no second one; after its end the
            next one goes on from the store.
        files: the sweep's YAML files by the names that they are given; its own is the first.
        overrides: the settings of the command line.
        address: of the job server; None: as the environment says, or ``TUNNEL``.

    Returns:
        The exit code of the sweep; 130 where Ctrl-C ended the watching, not the sweep.

    Raises:
        InputError: no job server answers, it refuses the token or the job, the sweep runs with
            other settings, or a part's file would not be found there.
        SweepError: the job was stopped, or lost.
    """
    # Ray tells of its uploads and connections.
    for module in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk"):
        logging.getLogger(f"ray.{module}").setLevel(logging.WARNING)
    logging.getLogger(UPLOADS).setLevel(logging.WARNING)
    address = _job_server(address)
    with _explained(address), tempfile.TemporaryDirectory() as folder:
        main = collect(files, Path(folder))
        client = _connect(address)
        command = shlex.join(["python", "-m", "doge_ray.sweep", main, *overrides])
        job = _find_or_start(client, sweep, command, folder)
    shown = redacted(address)
    stop = command_line("ray", "job", "stop", job, "--address", shown)
    write(f"{job} at {shown}: Ctrl-C leaves it running, {stop} ends it", error=True)
    try:
        return follow(client, job)
    except KeyboardInterrupt:
        write(f"\n{job} goes on; the same command follows it, {stop} ends it", error=True)
        return 130


def _connect(address: str) -> JobSubmissionClient:
    """A client of the job server, which answered.

    Raises:
        OSError: what answers there is none.
    """
    try:
        return JobSubmissionClient(address)
    except _ODD as error:
        raise OSError(str(error)) from error


def _job_server(address: str | None) -> str:
    """The address, made known to Ray's client, which prefers these variables to its argument."""
    cluster = os.environ.get("RAY_ADDRESS", "")
    address = (
        address
        or os.environ.get("RAY_API_SERVER_ADDRESS")
        or (cluster if cluster.startswith("http") else TUNNEL)
    )
    if not address.startswith(("http://", "https://")):
        raise InputError(
            f"--address {address}: a sweep is submitted to a job server, as in {TUNNEL}, which "
            "ray dashboard cluster.yaml forwards to this machine"
        )
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    return address


def collect(files: Mapping[str, Path], folder: Path) -> str:
    """Copy the YAML files to where they are found from ``folder``; names the first one there."""
    main, *parts = files
    places = {name: _place(name, file) for name, file in files.items()}
    for part in parts:
        if files[part] == Path(part) != places[part]:
            raise InputError(
                f"{main}: its part {part} would not be found on the cluster; name it relative to "
                "this folder, or keep it in sweeps/ and name it alone"
            )
    for name, place in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[name], folder / place)
    return str(places[main])


def _place(name: str, file: Path) -> Path:
    """Where a sweep's file lies in the job's folder: what is found by name alone, in sweeps/."""
    if file != Path(name):
        return Path("sweeps", f"{name}.yaml")
    outside = file.is_absolute() or ".." in file.parts
    return file.resolve().relative_to("/") if outside else file


def _find_or_start(client: JobSubmissionClient, sweep: str, command: str, folder: str) -> str:
    """The sweep's job that runs, or a new one."""
    jobs = {_number(job, sweep): job for job in client.list_jobs()}
    latest = max(jobs, default=0)
    what = {"command": command, "files": _digest(Path(folder))}
    if latest == 0 or jobs[latest].status.is_terminal():
        # Numbered, so that of two submissions at once only one is taken.
        return client.submit_job(
            submission_id=f"{sweep}-{latest + 1}",
            entrypoint=f"exec {command}",
            runtime_env={
                "working_dir": folder,
                "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)},
            },
            metadata=what,
        )
    job = jobs[latest]
    if job.metadata != what:
        raise InputError(
            f"{job.submission_id} runs this sweep with other settings: its command is "
            f"{job.entrypoint.removeprefix('exec ')!r}, or its YAML was another; end it with "
            f"{command_line('ray', 'job', 'stop', str(job.submission_id))}, or give this one its "
            "own folder with name=NEW_NAME"
        )
    return str(job.submission_id)


def _number(job: JobDetails, sweep: str) -> int:
    """1 for the first job of a sweep; 0 for the job of another."""
    name, _, number = (job.submission_id or "").rpartition("-")
    return int(number) if name == sweep and number.isdigit() else 0


def _digest(folder: Path) -> str:
    """A hash of all files below a folder, by name and content."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)}\n{file.read_text()}\n".encode())
    return digest.hexdigest()[:16]


def follow(client: JobSubmissionClient, job: str) -> int:
    """Show a job's log until it has ended, however often the connection breaks."""
    log, lost = _Log(), False
    while True:
        try:
            asyncio.run(log.show(client, job))
            details = next((d for d in client.list_jobs() if d.submission_id == job), None)
        except _LOST as error:
            if not lost:
                reason = redacted(str(error))
                write(f"connection lost ({reason}); {job} goes on, trying again", error=True)
            lost = True
            time.sleep(RETRY_SECONDS)
            continue
        lost = False
        if details is None:
            raise SweepError(f"the cluster knows no {job} any more; the same command goes on")
        if details.status.is_terminal():
            return _exit_code(details)


class _Log:
    """Prints a job's log once, though every connection begins it anew."""

    def __init__(self) -> None:
        self.shown = 0

    async def show(self, client: JobSubmissionClient, job: str) -> None:
        """Until the job has ended, or nothing came for long."""
        position, clock = 0, asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_SECONDS) as limit:
                async for text in client.tail_job_logs(job):
                    write(text[max(0, self.shown - position) :], end="")
                    position += len(text)
                    self.shown = max(self.shown, position)
                    limit.reschedule(clock.time() + SILENCE_SECONDS)


def _exit_code(job: JobDetails) -> int:
    if job.status == JobStatus.SUCCEEDED:
        return 0
    if job.driver_exit_code is None or job.driver_exit_code < 0:
        raise SweepError(
            f"{job.submission_id}: {job.message}; the same command goes on from what is stored"
        )
    return int(job.driver_exit_code)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """What can be wrong with a job server."""
    try:
        yield
    except AuthenticationError as error:
        raise InputError(
            f"{address} refuses this machine: {str(error).splitlines()[0]}; ray get-auth-token on "
            "the head prints the cluster's token: put it in a file, name that file in "
            "RAY_AUTH_TOKEN_PATH and set RAY_AUTH_MODE=token"
        ) from None
    except OSError as error:
        raise InputError(
            f"no job server of Ray answers at {address} ({error}); open the way to it with ray "
            "dashboard cluster.yaml, or name it with --address http://HOST:8265"
        ) from None
    except _ODD as error:
        raise InputError(
            f"the job server at {address} does not take the sweep: {error}; where another command "
            "was faster, the same one follows its job now; else install the cluster's version of "
            f"Ray here, where it is {ray.__version__}"
        ) from None
