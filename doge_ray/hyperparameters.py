"""What a study draws for each trial; every hyper-parameter is described in one place.

Its description stands where it belongs: here for all trainings, in ``tickets.kinds`` for tickets,
in ``objectives`` for objectives. The settings of ``search`` with their help and checks, what Optuna
draws, and the columns of tables are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Between(NamedTuple):
    """All values from ``low`` to ``high``; ``log``: drawn uniformly in the logarithm."""

    low: float
    high: float
    log: bool = False


class NamedList(NamedTuple):
    """Values that a sweep can name together, and what reports call them."""

    values: tuple[float, ...]
    title: str


@dataclass(frozen=True, eq=False)
class Hyperparameter:
    """One number that is drawn for a trial.

    - ``name``: its key on a trial and in ``trials.parquet``. Objectives may share one, since a
      method has one objective.
    - ``setting``: the field of ``search`` that says what it is drawn from; no two share one.
    - ``meaning``: a sentence for ``--help``.
    - ``default``: what it is drawn from unless a sweep says otherwise.
    - ``allowed`` and ``rule``: which values are possible, for the machine and in words.
    - ``paper``: what the paper drew it from.
    - ``heading``, ``form``: its column in tables, and how a value is printed there.
    - ``title``: what running text calls it; unset: by its setting.
    - ``whole``: it is an integer, drawn from a list.
    - ``lists``: lists of values that a sweep can give by a name.
    - ``absent``: what a trial has whose method does not draw it.
    """

    name: str
    setting: str
    meaning: str
    default: Between | tuple[float, ...]
    allowed: Callable[[float], bool]
    rule: str
    paper: str | None = None
    heading: str = ""
    form: str = "g"
    title: str = ""
    whole: bool = False
    lists: Mapping[str, NamedList] = field(default_factory=dict)
    absent: float | None = None

    def check(self, value: float, name: str = "") -> float:
        """The value, unless it is impossible; ``name`` is what the error calls it.

        Raises:
            ValueError: says which are possible.
        """
        if not self.allowed(value):
            shown = f"{value:g}" if isinstance(value, float) else value
            raise ValueError(f"{name or self.name}={shown} is impossible; allowed: {self.rule}")
        return value

    @property
    def called(self) -> str:
        """In running text."""
        return self.title or self.setting.replace("_", " ")

    def shown(self, value: float | None) -> str:
        """A value as tables show it; nothing where a trial has none."""
        return "" if value is None else f"{value:{self.form}}"


TRAINING = (
    Hyperparameter(
        name="learning_rate",
        setting="learning_rate",
        meaning="AdamW's peak rate",
        default=(1e-5, 2e-5, 3e-5, 5e-5),
        allowed=lambda rate: 0 < rate < 1,
        rule="above 0 and below 1",
        paper="1e-5, 2e-5, 3e-5, 5e-5",
        heading="rate",
    ),
    Hyperparameter(
        name="batch_size",
        setting="batch_size",
        meaning="examples per step over all workers",
        default=(16, 32),
        allowed=lambda size: size >= 1,
        rule="one example or more",
        paper="16, 32",
        heading="batch",
        form="d",
        whole=True,
    ),
)
"""What every training is drawn: AdamW's rate and the global batch's size."""
