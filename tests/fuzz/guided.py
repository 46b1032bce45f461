"""``python -m tests.fuzz.guided INPUT CASES``: cases that reach code no case before them reached.

Atheris changes the bytes that the input's strategy draws from, and watches which lines they reach.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["doge_ray", "yaml", "json", "csv"]):
    from tests.fuzz.inputs import RAN, property_of

LONGEST = 1 << 16  # bytes that a case is drawn from


def main() -> None:
    """Fuzz one input; ends the process, with an exit code other than 0 where anything is found."""
    name, cases = sys.argv[1], int(sys.argv[2])
    with atheris.instrument_imports(include=["doge_ray"]):
        draw = property_of(name, cases).hypothesis.fuzz_one_input  # type: ignore[attr-defined]
    started = time.monotonic()

    def one(data: bytes) -> None:
        draw(data)
        if RAN[name] == cases:
            seconds = time.monotonic() - started
            print(f"{name}: {cases} guided cases in {seconds:.0f} s", flush=True)
            os._exit(0)

    options = [f"-max_len={LONGEST}", "-len_control=0", "-timeout=120", "-rss_limit_mb=8192"]
    options += ["-verbosity=0", f"-artifact_prefix={Path('build').absolute()}/{name}-"]
    Path("build").mkdir(exist_ok=True)
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
