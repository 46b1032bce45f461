"""What a sweep is: every setting with its meaning, unit, default and the paper's value.

A sweep is described by one YAML file in ``sweeps/`` and dotted overrides. The models here, in
``data`` and in ``search`` are the only place where a setting is defined; ``--help``, the checks,
the settings that are refused when a sweep goes on, and MLflow's runs read them.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from doge_ray.config.data import DataConfig
from doge_ray.config.methods import check_method, hyperparameters
from doge_ray.config.places import LocalPath, StoragePlace
from doge_ray.config.search import Range, SearchConfig
from doge_ray.config.section import Section, setting

Method = Annotated[str, AfterValidator(check_method)]


class TrainConfig(Section):
    """The one training routine, of fine-tuning and of rewinding (paper section 4.2)."""

    max_epochs: int = setting(10, "most passes over the source domains", paper=10, ge=1)
    patience: int = setting(
        3, "epochs without a better dev metric before training ends", unit="epochs", ge=1
    )
    max_length: int = setting(
        256, "longer texts are cut", unit="tokens", paper="256 on AMAZON", ge=8
    )
    long_sentences: Literal["cut", "windows"] = setting(
        "cut",
        "tagged sentences beyond max_length: cut, which misses the entities after it, or read in "
        "consecutive windows of whole words, each an example to train on and to score by",
        paper="cut",
    )
    weight_decay: float = setting(0.01, "AdamW's decay; none on biases and norms", ge=0)
    warmup: float = setting(0.1, "share of all steps in which the rate rises", ge=0, le=1)
    clip: float = setting(1.0, "largest norm of a step's gradient", gt=0)
    dropout: float | None = setting(
        None, "dropout everywhere; unset: as the pretrained model says", paper=0.1, ge=0, lt=1
    )
    micro_batch_size: int | None = setting(
        None,
        "most examples one device takes at once; a larger share of the batch is accumulated",
        unit="examples",
        ge=1,
        extensible=True,
    )
    padding_free: bool = setting(
        False,
        "compute nothing of padding but a part of attention, and of the last layer's FFN only the "
        "token that a classifier of texts reads: the same mathematics in less time, with other "
        "draws of dropout",
        added=True,
    )
    snapshot_minutes: float = setting(
        5.0,
        "training that a kill costs at most, unless its snapshots would take more than 1 % of the "
        "time; those at the end of an epoch are taken earlier where that is cheap",
        unit="minutes",
        gt=0,
        extensible=True,
    )
    precision: Literal["auto", "bf16", "fp16", "fp32"] = setting(
        "auto",
        "bf16 autocast, fp16 autocast with a scaled loss, or float32; auto: bf16 where the device "
        "computes in it, fp16 on GPUs that have nothing else, so name one where unlike devices "
        "share a storage",
    )


class ScoringConfig(Section):
    """How sensitivities become scores (paper section 3.2)."""

    method: Literal["exact", "authors_code"] = setting(
        "exact",
        "exact: every example counts once; authors_code: as the released code computes scores, "
        "with its faults, for comparison: gradients add up over batches and domains and are never "
        "zeroed, each token's |gradient| counts, FFN blocks are ranked by |score|; it then depends "
        "on batch_size and on the order of the source domains, and one process does it",
        paper="authors_code with batch_size 16",
    )
    granularity: Literal["example", "token"] = setting(
        "example",
        "take |gradient| of the whole example, or of each token; read by method exact only",
        paper="example",
    )
    normalize: Literal["heads", "all"] = setting(
        "all",
        "l2-normalise the heads of each layer, or also the FFN blocks of the network",
        paper="heads in the text, all in the released code",
    )
    min_heads: int = setting(1, "heads that stay in every layer", unit="heads", ge=0)
    batch_size: int = setting(
        64,
        "examples per backward pass and worker",
        ge=1,
        # Exact sums do not depend on how the examples are batched.
        extensible=lambda scoring: scoring.method == "exact",
    )

    score_precision: Literal["fp32", "tf32", "bf16"] = setting(
        "fp32",
        "what sensitivities are computed in; sums are exact in each. tf32 and bf16 are for GPUs, "
        "and may move units of a ticket: python -m benchmarks.gpu measures both; read by method "
        "exact only",
        added=True,
    )

    @property
    def ranking(self) -> dict[str, Any]:
        """How tickets are drawn from the scores: arguments of ``tickets.draw_ticket``."""
        return {
            "normalize": self.normalize,
            "min_heads": self.min_heads,
            "ffn_rank": "absolute" if self.method == "authors_code" else "score",
        }


class ResourceConfig(Section):
    """What runs where; Ray does the placing."""

    trial_workers: int = setting(
        1,
        "devices one training spans; 1: it runs in its trial's own process",
        ge=1,
        extensible=True,
    )
    stage_workers: int = setting(
        1,
        "devices one scoring pass spans; 1: it runs in one process, without a group around it",
        ge=1,
        extensible=True,
    )
    cpus_per_worker: int = setting(1, "processors of a worker", unit="CPUs", ge=1, extensible=True)
    gpus_per_worker: float | None = setting(
        None,
        "GPUs of a worker; below one, several trials share a GPU; unset: one where the cluster has "
        "or can get any",
        unit="GPUs",
        ge=0,
        extensible=True,
    )

    device_price: float | None = setting(
        None,
        "what a device costs for an hour: a machine's price by its devices; for --dry-run, which "
        "tells no money without it",
        unit="any currency",
        ge=0,
        extensible=True,
    )

    @model_validator(mode="after")
    def _placeable(self) -> ResourceConfig:
        gpus, workers = self.gpus_per_worker or 0.0, max(self.trial_workers, self.stage_workers)
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"gpus_per_worker={gpus:g}: beyond one, choose a whole number")
        if 0 < gpus < 1 < workers:
            raise ValueError(
                f"gpus_per_worker={gpus:g}: workers of one job cannot share a GPU; choose 1, or "
                "trial_workers=1 and stage_workers=1"
            )
        return self


# Short enough for a folder, and for what is added to it.
NAME = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"

# Folders and files of the storage that belong to no sweep.
RESERVED = ("store", "mlartifacts", "mlflow.db", "mlflow.db-journal")


class SweepConfig(Section):
    """A sweep: which model, data and methods, how to train, what to search, where to keep it."""

    name: str = setting(..., "name of the sweep and of its folder", pattern=NAME, extensible=True)
    model: LocalPath = setting(
        ...,
        "hub name, local folder, or package:NAME/FOLDER for a model inside an installed package",
        paper="bert-base-uncased, bert-large-uncased",
        place=True,
    )
    seed: int = setting(0, "all randomness derives from it", ge=0)
    storage: StoragePlace = setting(
        ...,
        "folder or URI (s3://, gs://) for stages and results; DOGE_RAY_STORAGE is its default "
        "where that is set in the environment, as on a cluster, otherwise runs",
        default_factory=lambda: os.environ.get("DOGE_RAY_STORAGE") or "runs",
        extensible=True,
    )
    methods: tuple[Method, ...] = setting(
        ("dense", "random", "winning", "doge"),
        "methods to compare, dense among them: random, winning, doge and losing tickets; irm, "
        "group_dro, vrex and coral, objectives over the source domains; both: doge+irm",
        paper="dense, irm, random, winning, doge",
        extensible=True,
    )
    selection: Literal["source_dev", "leave_one_domain_out", "oracle"] = setting(
        "source_dev",
        "what a configuration is chosen by: the source domains' dev splits; the mean over folds, "
        "each trained without one source domain and measured on it; or the target domains, which "
        "is choosing on the test set",
        paper="oracle",
    )
    replicates: int = setting(
        3,
        "fresh seeds over which each method's chosen configuration is repeated",
        ge=1,
        paper=1,
        extensible=True,
    )
    data: DataConfig
    train: TrainConfig = TrainConfig()
    scoring: ScoringConfig = ScoringConfig()
    search: SearchConfig = SearchConfig()
    resources: ResourceConfig = ResourceConfig()
    paper: dict[Method, float | dict[str, float]] = setting(
        {},
        "published target metric of a method, or one for each data.split, for the report to print",
        unit="percent",
        extensible=True,
    )

    @model_validator(mode="after")
    def _consistent(self) -> SweepConfig:
        if self.name in RESERVED:
            raise ValueError(f"name={self.name!r} is the storage's own folder; choose another name")
        if "dense" not in self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(
                f"methods={list(self.methods)}: name dense, which the others are drawn from and "
                "compared with, and every method once"
            )
        for each in {each for method in self.methods for each in hyperparameters(method)}:
            if self.search.sampler == "grid" and isinstance(self.search.space(each.setting), Range):
                raise ValueError(
                    f"search.{each.setting}: a grid needs a list of values, not a range"
                )
        for size in self.search.batch_size:
            if size % self.resources.trial_workers:
                raise ValueError(
                    f"search.batch_size={size} does not divide by "
                    f"resources.trial_workers={self.resources.trial_workers}; "
                    "choose a multiple, or another number of workers"
                )
        return self

    def science(self) -> dict[str, Any]:
        """Every setting that can change a result, by dotted key.

        Where model and data lie cannot, as long as they are the same.
        """
        return dict(self.identity())

    def published(self, method: str) -> float | None:
        """The paper's target metric of a method on this data, in percent, if there is one."""
        values = self.paper.get(method)
        if isinstance(values, dict):
            return values.get(str(getattr(self.data, "split", None)))
        return values
