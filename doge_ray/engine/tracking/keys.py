"""Names of metrics that MLflow can hold, as different from each other as what they stand for."""

from __future__ import annotations

import hashlib
import re

# Characters that MLflow allows in no name of a metric; a slash only where a path may have one.
_ODD = re.compile(r"[^\w\-. :]")
_LONGEST = 100  # letters, of the 250 that MLflow holds: its pages show fewer


def metric_key(name: str) -> str:
    """The name itself where MLflow can hold it, or what is left of it with a mark of its own.

    >>> metric_key("target.sci_tech"), metric_key("target.sci/tech")
    ('target.sci_tech', 'target.sci_tech-8e72b4')
    """
    held = _ODD.sub("_", name)
    if held == name and len(name) <= _LONGEST:
        return name
    mark = f"-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return held[: _LONGEST - len(mark)] + mark
