"""The stages of a sweep and what determines each (the stage graph).

    initial(model, seed) ──▶ training(ticket, rate, batch, seed) ──▶ evaluation
                                    │ of the dense network
                                    ├─▶ scoring ──▶ ticket(λ, sparsity), microseconds
                                    └─▶ activations, of the chosen dense trial, for the report

Fine-tuning is the training of the dense ticket; rewinding is that of any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from doge_ray.config.data import Task
from doge_ray.config.schema import SweepConfig
from doge_ray.engine.store import Stage
from doge_ray.objectives import Objective
from doge_ray.seeds import derive_seed
from doge_ray.stages.recipe import Recipe
from doge_ray.tickets.ticket import Ticket, UnitParameters

# Raised when a change to the code changes what a stage computes.
VERSIONS = {
    "encoding": 1,
    "initial": 1,
    "training": 1,
    "scoring": 1,
    "evaluation": 1,
    "activations": 1,
}


ACTIVATIONS, SCORES, PREDICTIONS = "activations.npz", "scores.parquet", "predictions.parquet"
"""Files of their stages."""


@dataclass(frozen=True)
class ModelFacts:
    """The pretrained model as the graph sees it."""

    fingerprint: str
    num_layers: Annotated[int, Field(ge=1, le=10_000)]
    num_heads: Annotated[int, Field(ge=1, le=10_000)]
    parameters: UnitParameters


@dataclass(frozen=True)
class Graph:
    """Identities of all stages of one sweep."""

    config: SweepConfig
    model: ModelFacts
    corpus: str
    label_names: tuple[str, ...]
    task: Task = "classification"
    folds: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints of the corpora without one source domain each, where trials are chosen so."""

    def fold(self, domain: str) -> Graph:
        """The same sweep on the corpus without a source domain."""
        return replace(self, corpus=self.folds[domain], folds={})

    @property
    def science(self) -> dict[str, Any]:
        """What may not change while a sweep goes on: settings, and contents of model and data."""
        return self.config.science() | {
            "model_files": self.model.fingerprint,
            "data_rows": self.corpus,
        }

    @cached_property
    def encoding(self) -> Stage:
        """All texts as tokens."""
        train = self.config.train
        # What only tagged sentences know must not change the identity of classified texts.
        windows = {"long_sentences": train.long_sentences} if self.task == "tagging" else {}
        return _stage(
            "encoding",
            model=self.model.fingerprint,
            corpus=self.corpus,
            max_length=train.max_length,
            **windows,
        )

    def initial(self, seed: int) -> Stage:
        """θ0: pretrained encoder, fresh classification head."""
        if seed not in self._initials:
            self._initials[seed] = _stage(
                "initial",
                model=self.model.fingerprint,
                labels=list(self.label_names),
                dropout=self.config.train.dropout,
                seed=derive_seed(seed, "head"),
                **({"task": self.task} if self.task == "tagging" else {}),
            )
        return self._initials[seed]

    @cached_property
    def _initials(self) -> dict[int, Stage]:
        """By seed; thousands of trials share them."""
        return {}

    def recipe(
        self, learning_rate: float, batch_size: int, seed: int, objective: Objective | None = None
    ) -> Recipe:
        """How a trial with this choice is trained.

        Args:
            learning_rate: at the end of the warm-up.
            batch_size: rows of a batch, over all workers.
            seed: of the head, the order of the rows and dropout.
            objective: over domains; None: the mean loss of the examples.
        """
        train = self.config.train
        return Recipe(
            learning_rate,
            batch_size,
            seed,
            max_epochs=train.max_epochs,
            patience=train.patience,
            weight_decay=train.weight_decay,
            warmup=train.warmup,
            clip=train.clip,
            precision=train.precision,
            micro_batch_size=train.micro_batch_size,
            snapshot_minutes=train.snapshot_minutes,
            padding_free=train.padding_free,
            objective=objective,
        )

    def training(self, ticket: Ticket, recipe: Recipe) -> Stage:
        """θ0 pruned by a ticket and trained; identical masks are one stage."""
        inputs = dict(vars(recipe))
        # How a batch is cut up does not change its gradient, nor a snapshot what it is taken of.
        del inputs["micro_batch_size"], inputs["snapshot_minutes"]
        del inputs["objective"], inputs["padding_free"]
        if recipe.padding_free:  # otherwise nothing, as before it could be told
            inputs["leaves_out"] = "padding, and of the last layer what nothing reads"
        if recipe.objective is not None:
            inputs["objective"] = recipe.objective.identity()
        return _stage(
            "training",
            initial=self.initial(recipe.seed).digest,
            data=self.encoding.digest,
            mask=ticket.digest,
            **inputs,
        )

    def scoring(self, training: Stage) -> Stage:
        """Moments of a fine-tuned model on the source domains."""
        scoring = self.config.scoring
        how: dict[str, Any] = {"granularity": scoring.granularity}
        if scoring.score_precision != "fp32":
            how |= {"precision": scoring.score_precision}
        if scoring.method != "exact":
            how = {"method": scoring.method, "batch_size": scoring.batch_size}
        return _stage("scoring", training=training.digest, data=self.encoding.digest, **how)

    def activations(self, training: Stage) -> Stage:
        """How often each FFN neuron of a fine-tuned model is active, by source domain."""
        return _stage("activations", training=training.digest, data=self.encoding.digest)

    def evaluation(self, training: Stage) -> Stage:
        """Predictions of a trained model on the target domains."""
        return _stage("evaluation", training=training.digest, data=self.encoding.digest)


def _stage(kind: str, **inputs: Any) -> Stage:
    return Stage(kind, {"version": VERSIONS[kind], **inputs})
