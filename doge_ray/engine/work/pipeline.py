"""From what a trial is told to its ticket and stages (paper, figure 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.graph import SCORES, Graph
from doge_ray.engine.work.trial import Trial
from doge_ray.seeds import derive_seed
from doge_ray.stages.score_table import read_scores
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.kinds import KINDS
from doge_ray.tickets.ticket import Ticket, dense_ticket


@dataclass(frozen=True)
class Pipeline:
    """The stage graph with its store.

    ``finetuned`` holds, for each seed, the training of the dense network that tickets of that
    seed are drawn from; ``folds`` the same work without one source domain each. A trial is made
    once, and a score table read once: neither changes under what it is remembered by.
    """

    graph: Graph
    store: StageStore
    finetuned: Mapping[int, Stage] = field(default_factory=dict)
    folds: Mapping[str, Pipeline] = field(default_factory=dict)
    _trials: dict[Any, Trial] = field(default_factory=dict, init=False, compare=False, repr=False)
    _scores: dict[str, Moments] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def of(cls, graph: Graph, store: StageStore) -> Pipeline:
        """The pipeline of a sweep, before anything is fine-tuned."""
        folds = {domain: cls(graph.fold(domain), store) for domain in graph.folds}
        return cls(graph, store, folds=folds)

    def drawing_from(self, dense: Trial, repeats: Mapping[int, Trial]) -> Pipeline:
        """The pipeline in which tickets are drawn from the models of one dense configuration.

        Args:
            dense: the trial that a search chose; tickets of the search are drawn from its model,
                those of a fold from its fold's.
            repeats: by seed, the trials of the same configuration with fresh seeds.
        """
        seed = dense.assignment.seed
        finetuned = {seed: dense.training} | {s: each.training for s, each in repeats.items()}
        folds = {
            domain: fold._remembering(replace(fold, finetuned={seed: dense.folds[domain].training}))
            for domain, fold in self.folds.items()
        }
        return self._remembering(replace(self, finetuned=finetuned, folds=folds))

    def can_draw(self, assignment: Assignment) -> bool:
        """Whether the scores that the tickets of a trial are drawn from are published."""
        if not KINDS[assignment.kind].reads_scores:
            return True
        sources = (part._source(assignment) for part in self._parts(assignment))
        return all(source and self.store.result(source) is not None for source in sources)

    def trial(self, assignment: Assignment) -> Trial:
        """The trial with its ticket and its stages.

        Raises:
            LookupError: the scores that its ticket is drawn from are not published.
        """
        if not self.can_draw(assignment):
            raise LookupError(f"{assignment.name} has no scores yet to draw its ticket from")
        sources = [part._source(assignment) for part in self._parts(assignment)]
        key = assignment, *(source and source.digest for source in sources)
        if key not in self._trials:
            folds = self.folds if assignment.replicate == 0 else {}
            made = {domain: fold._make(assignment) for domain, fold in folds.items()}
            self._trials[key] = self._make(assignment, made)
        return self._trials[key]

    def moments(self, training: Stage) -> Moments:
        """The published scores of a fine-tuned model."""
        return self._moments(self.graph.scoring(training))

    def _parts(self, assignment: Assignment) -> list[Pipeline]:
        return [self, *(self.folds.values() if assignment.replicate == 0 else ())]

    def _source(self, assignment: Assignment) -> Stage | None:
        """The scores that a trial's ticket is drawn from."""
        if not KINDS[assignment.kind].reads_scores:
            return None
        return self._sources.get(assignment.seed)

    @cached_property
    def _sources(self) -> dict[int, Stage]:
        """The scores of the fine-tuned models, by seed."""
        return {seed: self.graph.scoring(training) for seed, training in self.finetuned.items()}

    def _make(self, assignment: Assignment, folds: Mapping[str, Trial] | None = None) -> Trial:
        graph, ticket = self.graph, self._ticket(assignment)
        recipe = graph.recipe(**assignment.recipe)
        training = graph.training(ticket, recipe)
        return Trial(
            assignment,
            ticket,
            recipe,
            initial=graph.initial(assignment.seed),
            encoding=graph.encoding,
            training=training,
            evaluation=graph.evaluation(training),
            scoring=graph.scoring(training),
            folds=folds or {},
        )

    def _ticket(self, assignment: Assignment) -> Ticket:
        """Draw the ticket of a trial from the published scores."""
        model, config = self.graph.model, self.graph.config
        if assignment.kind == "dense":
            return dense_ticket(model.num_layers, model.num_heads, model.parameters)
        level, source = config.search.level(assignment.sparsity), self._source(assignment)
        ticket = draw_ticket(
            assignment.kind,
            self._moments(source),
            level.heads,
            model.parameters,
            seed=derive_seed(assignment.seed, "random", assignment.trial),
            ffn_sparsity=None if level.ffns == level.heads else level.ffns,
            **config.scoring.ranking,
            **assignment.own,
        )
        scores = {"scores": source.digest} if source else {}
        return replace(ticket, provenance={**ticket.provenance, **scores})

    def _moments(self, scoring: Stage | None) -> Moments:
        """Published scores; of what is drawn from none, only how many units there are."""
        if scoring is None:
            return Moments.zeros((), self.graph.model.num_layers, self.graph.model.num_heads)
        if scoring.digest not in self._scores:
            file = self.store.files(scoring) / SCORES
            self._scores[scoring.digest], *_ = read_scores(file)
        return self._scores[scoring.digest]

    def _remembering(self, other: Pipeline) -> Pipeline:
        """Another pipeline on the same graph and store, with what this one remembers."""
        other._trials.update(self._trials)
        other._scores.update(self._scores)
        return other
