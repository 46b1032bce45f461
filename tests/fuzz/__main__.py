"""``python -m tests.fuzz``: thousands of cases of every input; how many ran, and what was found."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import traceback

# Read by torch and the hub's client when they are imported.
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

from tests.fuzz.inputs import CASES, RAN, property_of

GUIDED = ("sweep_files", "tickets", "score_tables", "texts")
"""Inputs that Python code reads; where compiled code does, coverage says nothing."""


def main() -> None:
    """Fuzz the named inputs, or all; exit code 1 where anything was found."""
    options = _parser().parse_args()
    names = options.names or (GUIDED if options.guided else CASES)
    fuzz = _guided if options.guided else _drawn
    found = [name for name in names if not fuzz(name, options.cases or CASES[name])]
    print(f"found: {', '.join(found) or 'nothing'}")
    sys.exit(bool(found))


def _drawn(name: str, cases: int) -> bool:
    """Whether nothing was found in cases that Hypothesis draws."""
    started, clean = time.monotonic(), True
    try:
        property_of(name, cases)()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exc()
        clean = False
    print(f"{name}: {RAN[name]} cases in {time.monotonic() - started:.0f} s", flush=True)
    return clean


def _guided(name: str, cases: int) -> bool:
    """The same with Atheris, which ends its process."""
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(cases)]
    return subprocess.run(command).returncode == 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *CASES], metavar="INPUT")
    parser.add_argument("--cases", type=int, help=f"of each input; default: {CASES}")
    parser.add_argument("--guided", action="store_true", help="by coverage, with Atheris")
    return parser


if __name__ == "__main__":
    main()
