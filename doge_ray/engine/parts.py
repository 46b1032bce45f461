"""Several sweeps as one command: one after the other, then one table of all."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable

from doge_ray.config import Parts
from doge_ray.engine.prepare import Prepared
from doge_ray.engine.results.combined import claim_parts_folder
from doge_ray.errors import SweepError
from doge_ray.redact import redacted
from doge_ray.terminal import write


def run_parts(parts: Parts, prepared: Iterable[Prepared], run: Callable[[Prepared], None]) -> None:
    """Run sweep after sweep; one that cannot go on does not keep the others from it.

    Raises:
        SweepError: in the end, where a sweep could not go on; names it and its reason.
    """
    claim_parts_folder(parts)
    failed = {}
    for sweep in prepared:
        try:
            run(sweep)
        except SweepError as error:
            failed[sweep.config.name] = str(error)
        except Exception as error:
            # Whatever it is, the other sweeps have nothing to do with it.
            write(redacted(traceback.format_exc()), error=True)
            failed[sweep.config.name] = f"{type(error).__name__}: {error}"
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise SweepError(f"{len(failed)} of {len(parts.parts)} sweeps could not go on: {reasons}")
