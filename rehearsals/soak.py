"""``python -m rehearsals.soak [MINUTES]``: a sweep of which something is killed every other minute.

In the end every trial must stand once in the table and once in MLflow, no process may be left, and
the store may hold nothing but what its records point to.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from rehearsals.inflictions import Scene, interrupt, kill_all, kill_failures, kill_trial
from rehearsals.subject import Subject

KILLS = [kill_trial, kill_trial, kill_failures, kill_all, interrupt]
MARK = "DOGE_RAY_REHEARSAL"
BATCH = 12
"""Trials that are asked for in addition, whenever all are done before the time is up."""


def soak(subject: Subject, minutes: float) -> int:
    """Kill and start again until time is up, then let the sweep end; returns the last status."""
    draw, scene = random.Random(0), Scene(subject)
    deadline, trials = time.monotonic() + 60 * minutes, BATCH
    subject.start(f"search.num_trials={trials}")
    while time.monotonic() < deadline:
        pause = time.monotonic() + draw.uniform(60, 120)
        while time.monotonic() < pause:
            if subject.running.poll() is not None:
                trials += BATCH if subject.running.returncode == 0 else 0
                subject.start(f"search.num_trials={trials}")
            time.sleep(1)
        kill = draw.choice(KILLS)
        _say(subject, kill.__name__)
        _try(kill, scene)
    subject.finish()
    subject.start(f"search.num_trials={trials}")
    _say(subject, "no more kills")
    return subject.finish()


def problems(subject: Subject, mark: str) -> Iterator[str]:
    """What is not as it must be after a sweep that ended."""
    rows = subject.rows()
    names = Counter(f"{r['method']}-{r['trial']:04d}-{r['replicate']}" for r in rows)
    yield from (f"{name} stands {n} times in the table" for name, n in names.items() if n != 1)
    yield from (f"{r['method']} {r['trial']}: {r['error']}" for r in rows if r["error"])
    tracked = subject.tracked()
    for name in names:
        if tracked[name] != 1:
            yield f"{name} is tracked {tracked[name]} times"
    yield from (f"process {process} is left" for process in _left_over(mark))
    yield from (f"{path} is no live content" for path in _dead_content(subject.storage))


def _try(kill: object, scene: Scene) -> None:
    try:
        kill(scene)  # type: ignore[operator]
    except (RuntimeError, ProcessLookupError) as error:
        _say(scene.subject, f"nothing to kill: {error}")


def _left_over(mark: str) -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield " ".join(process.cmdline())[:80]
        except psutil.Error:
            continue


def _dead_content(storage: Path) -> Iterator[Path]:
    """Files of the store that no published record points to, and state of runs that are over."""
    for stage in (storage / "store").glob("*/*"):
        record = stage / "published.json"
        live = {record}
        if record.exists() and (files := json.loads(record.read_text())["files"]):
            live.add(stage / files)
        yield from set(stage.iterdir()) - live
    for folder in ("store/tune", "store/train"):
        yield from (storage / folder).glob("*")


def _say(subject: Subject, text: str) -> None:
    trials = len(list(subject.storage.glob("tiny/trials/*.json")))
    print(f"{time.strftime('%H:%M:%S')}  {trials} trials so far  {text}", flush=True)


def main() -> int:
    """Soak, and print what is wrong in the end; returns how much is."""
    parser = argparse.ArgumentParser(prog="python -m rehearsals.soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    mark = uuid.uuid4().hex
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    subject = Subject(folder, {"methods": ["dense", "doge"]}, {MARK: mark})
    status = soak(subject, minutes)
    time.sleep(15)  # Ray's processes end a little after their driver
    found = [*([f"exit status {status}"] if status else []), *problems(subject, mark)]
    print("\n".join(found) or f"complete: {len(subject.rows())} trials, each once; nothing is left")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
