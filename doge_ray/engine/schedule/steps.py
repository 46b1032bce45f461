"""The steps of a sweep, and what each comes after.

    search ─▶ told ─▶ search ─▶ told ─▶ choice ─▶ kept ─▶ repeat
    (a round of draws)                              │        │ of the dense network
                                                    ▼        ▼
                                                 scoring   scoring of each fresh seed
                                                    │        │
                          search of tickets ◀───────┘        └──▶ repeat of tickets

A method that is not drawn from scores (dense, objectives, random tickets) waits for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from doge_ray.config.methods import kind_of
from doge_ray.config.schema import ResourceConfig, SweepConfig
from doge_ray.tickets.kinds import KINDS

StepKind = Literal["search", "told", "choice", "kept", "repeat", "scoring", "activations"]


@dataclass(frozen=True)
class Step:
    """One thing to be done.

    - search: trial ``number`` of a method's search.
    - told: its study learns how the trials of round ``number`` ended.
    - choice: its search is over, and the best configuration stands.
    - kept: the chosen model's weights are there.
    - repeat: the chosen configuration with the fresh seed of replicate ``number``.
    - scoring: sensitivities of the chosen dense model (number 0) or of a replicate of it; of the
      one that was trained without a source domain, if ``fold`` names it.
    - activations: of the chosen dense model's neurons.
    """

    kind: StepKind
    method: str = ""
    number: int = 0
    fold: str = ""

    @property
    def needs_room(self) -> bool:
        """Whether devices may be needed for it."""
        return self.kind not in ("told", "choice")

    @property
    def is_look(self) -> bool:
        """Whether it looks at a fine-tuned model, and trains nothing."""
        return self.kind in ("scoring", "activations")

    def width(self, resources: ResourceConfig) -> int:
        """Devices that it spans."""
        return resources.stage_workers if self.is_look else resources.trial_workers


Steps = dict[Step, list[Step]]
"""Every step with those that it comes after."""

ACTIVATIONS = Step("activations")


@dataclass(frozen=True)
class Shape:
    """How large a sweep is.

    - ``methods``: dense among them.
    - ``trials`` of each method's search, drawn in rounds of ``at_once``.
    - ``replicates``: fresh seeds of each method's choice.
    - ``folds``: source domains that are left out in turn.
    """

    methods: tuple[str, ...]
    trials: int
    at_once: int
    replicates: int
    folds: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: SweepConfig, room: int, folds: Iterable[str] = ()) -> Shape:
        """That of a sweep, where there is room for so many trials at a time."""
        search = config.search
        at_once = min(search.num_trials, room, search.max_concurrent or room)
        return cls(config.methods, search.num_trials, at_once, config.replicates, tuple(folds))

    @property
    def rounds(self) -> list[range]:
        """The trials of each round."""
        starts = range(0, self.trials, self.at_once)
        return [range(start, min(start + self.at_once, self.trials)) for start in starts]


def steps_of(shape: Shape) -> Steps:
    """All steps of a sweep, the methods' in turn."""
    steps: Steps = {}
    for rounds in zip(*(_search(method, shape) for method in shape.methods), strict=True):
        for some in rounds:
            steps |= some
    for method in shape.methods:
        steps |= _choice(method, shape)
    dense = Step("kept", "dense")
    steps |= {step: [dense] for step in _scorings(0, shape)}
    steps |= {
        step: [Step("repeat", "dense", replicate)]
        for replicate in range(1, shape.replicates + 1)
        for step in _scorings(replicate, shape)
    }
    return steps | {ACTIVATIONS: [dense]}


def draws_from_scores(method: str) -> bool:
    """Whether the tickets of a method are drawn from a fine-tuned model's scores."""
    return KINDS[kind_of(method)].reads_scores


def _search(method: str, shape: Shape) -> Iterator[Steps]:
    """Round by round."""
    before = _scorings(0, shape) if draws_from_scores(method) else []
    for number, trials in enumerate(shape.rounds):
        searches = [Step("search", method, trial) for trial in trials]
        told = Step("told", method, number)
        yield dict.fromkeys(searches, before) | {told: searches}
        before = [told]


def _choice(method: str, shape: Shape) -> Steps:
    """What follows a method's search."""
    last = Step("told", method, len(shape.rounds) - 1)
    choice, kept = Step("choice", method), Step("kept", method)
    steps = {choice: [last], kept: [choice]}
    for replicate in range(1, shape.replicates + 1):
        scores = _scorings(replicate, shape) if draws_from_scores(method) else []
        steps[Step("repeat", method, replicate)] = [kept, *scores]
    return steps


def _scorings(replicate: int, shape: Shape) -> list[Step]:
    """Those of a dense model; of the chosen one also its folds', which its replicates have not."""
    folds = ("", *shape.folds) if replicate == 0 else ("",)
    return [Step("scoring", number=replicate, fold=fold) for fold in folds]
