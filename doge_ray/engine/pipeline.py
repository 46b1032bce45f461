"""From a trial's hyper-parameters to published stages (paper, figure 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field

from doge_ray.config.methods import kind_of, objective_of
from doge_ray.config.schema import Method
from doge_ray.engine.graph import Graph
from doge_ray.engine.jobs import ActivationJob, EvaluationJob, ScoringJob
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.training import TrainingJob
from doge_ray.objectives import make_objective
from doge_ray.seeds import derive_seed
from doge_ray.stages.score_table import read_scores
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.ticket import Ticket, dense_ticket


@dataclass(frozen=True)
class Assignment:
    """What one trial trains. Replicate 0 is the search; from 1 on, repeats with fresh seeds."""

    method: Method
    trial: Annotated[int, Field(ge=0)]
    replicate: Annotated[int, Field(ge=0)]
    seed: int
    learning_rate: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(ge=1)]
    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    variance_weight: Annotated[float, Field(ge=0)] | None = None
    strength: float | None = None
    anneal: float | None = None

    @property
    def kind(self) -> str:
        """Of the ticket that is drawn; dense: none is."""
        return kind_of(self.method)

    @property
    def recipe(self) -> dict[str, Any]:
        """What ``Graph.recipe`` is told of a trial's choice."""
        name = objective_of(self.method)
        return {
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "objective": None if name is None else make_objective(name, asdict(self)),
        }

    @property
    def name(self) -> str:
        """Unique within the sweep."""
        return f"{self.method}-{self.trial:04d}-{self.replicate}"

    def asdict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Pipeline:
    """The stage graph with its store; travels to every trial.

    ``finetuned`` holds, for each seed, the training of the dense network that tickets of that
    seed are drawn from; ``folds`` the same work without one source domain each.
    """

    graph: Graph
    store: StageStore
    finetuned: Mapping[int, Stage] = field(default_factory=dict)
    folds: Mapping[str, Pipeline] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, store: StageStore) -> Pipeline:
        """The pipeline of a sweep, before anything is fine-tuned."""
        folds = {domain: cls(graph.fold(domain), store) for domain in graph.folds}
        return cls(graph, store, folds=folds)

    def parts(self, assignment: Assignment) -> list[Pipeline]:
        """What a trial consists of: its training and, in a search by folds, that of each fold."""
        return [self, *(self.folds.values() if assignment.replicate == 0 else ())]

    def can_draw(self, assignment: Assignment) -> bool:
        """Whether the scores that the tickets of a trial are drawn from are published."""
        if assignment.kind == "dense":
            return True
        return all(part._has_scores(assignment.seed) for part in self.parts(assignment))

    def _has_scores(self, seed: int) -> bool:
        training = self.finetuned.get(seed)
        return training is not None and self.store.result(self.graph.scoring(training)) is not None

    def is_scored(self, assignment: Assignment) -> bool:
        """Whether the scores of a trial's model are published, those of its folds too."""
        return all(
            part.store.result(part.graph.scoring(part.training(assignment).stage)) is not None
            for part in self.parts(assignment)
        )

    def is_published(self, assignment: Assignment) -> bool:
        """Whether the training of a trial and its evaluation are."""
        training = self.training(assignment).stage
        results = self.store.result(training), self.store.result(self.evaluation(training).stage)
        return None not in results

    def dev_metric(self, assignment: Assignment) -> float | None:
        """Of a published trial, on the dev splits of the domains it was trained on."""
        result = self.store.result(self.training(assignment).stage) or {}
        return result.get("dev_metric")

    def target_metric(self, assignment: Assignment) -> float | None:
        """Of a published trial, on domains it was not trained on: in a fold, a source domain."""
        evaluation = self.evaluation(self.training(assignment).stage).stage
        return (self.store.result(evaluation) or {}).get("target_metric")

    def ticket(self, assignment: Assignment) -> Ticket:
        """Draw the ticket of a trial from the published scores."""
        model, config = self.graph.model, self.graph.config
        if assignment.kind == "dense":
            return dense_ticket(model.num_layers, model.num_heads, model.parameters)
        scores = self.graph.scoring(self.finetuned[assignment.seed])
        moments, parameters, _ = read_scores(self.store.files(scores) / "scores.parquet")
        level = config.search.level(assignment.sparsity)
        ticket = draw_ticket(
            assignment.kind,
            moments,
            level.heads,
            parameters,
            variance_weight=assignment.variance_weight or 0.0,
            seed=derive_seed(assignment.seed, "random", assignment.trial),
            ffn_sparsity=None if level.ffns == level.heads else level.ffns,
            **config.scoring.ranking,
        )
        return replace(ticket, provenance={**ticket.provenance, "scores": scores.digest})

    def training(self, assignment: Assignment) -> TrainingJob:
        """Rewind to θ0, prune, train (with the dense ticket: fine-tune)."""
        ticket = self.ticket(assignment)
        recipe = self.graph.recipe(**assignment.recipe)
        return TrainingJob(
            self.store,
            self.graph.training(ticket, recipe),
            self.graph.initial(assignment.seed),
            self.graph.encoding,
            ticket,
            recipe,
        )

    def evaluation(self, training: Stage) -> EvaluationJob:
        """Measure on the target domains."""
        return EvaluationJob(
            self.store,
            self.graph.evaluation(training),
            training,
            self.graph.encoding,
            self.graph.config.train.precision,
        )

    def scoring(self, training: Stage) -> ScoringJob:
        """Score a fine-tuned model."""
        scoring = self.graph.config.scoring
        return ScoringJob(
            self.store,
            self.graph.scoring(training),
            training,
            self.graph.encoding,
            self.graph.model.parameters,
            scoring.method,
            scoring.granularity,
            scoring.batch_size,
        )

    def activations(self, training: Stage) -> ActivationJob:
        """Look at the FFN neurons of a fine-tuned model."""
        stage = self.graph.activations(training)
        return ActivationJob(self.store, stage, training, self.graph.encoding)
