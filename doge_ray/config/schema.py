"""What a sweep is: every setting with its meaning, unit, default and the paper's value.

A sweep is described by one YAML file in ``sweeps/`` and dotted overrides. The models below are the
only place where a setting is defined; ``--help``, the checks and the stage identities read them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

Method = Literal["dense", "random", "winning", "doge", "losing"]


def setting(default: Any, meaning: str, *, unit: str = "", paper: Any = None, **limits: Any) -> Any:
    """A documented field: what it means, in which unit, and what the paper used."""
    extra = {"unit": unit, "paper": paper}
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """A group of settings: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AmazonData(Section):
    """The paper's AMAZON reviews: three-way sentiment over seven product categories."""

    task: Literal["amazon"] = setting(..., "which data set")
    split: Literal["A", "B", "C"] = setting(
        "A", "the paper's division into source and target categories", paper="A, B, C"
    )
    root: str | None = setting(
        None, "folder with <Category>/{train,dev,test}.json; unset: fetched once into the cache"
    )
    limit: int | None = setting(
        None, "rows kept per domain and split, a fixed random subset", unit="rows", ge=3
    )


class QuickstartData(Section):
    """Short sentences of four domains with human valence ratings, cut into three classes."""

    task: Literal["quickstart"] = setting(..., "which data set")
    source_domains: tuple[str, ...] = setting(
        ("tweets", "movies", "editorials"), "domains to train on", min_length=1
    )
    target_domains: tuple[str, ...] = setting(
        ("products",), "domains never seen in training", min_length=1
    )
    root: str | None = setting(
        None, "folder with the *_GroundTruth.txt files; unset: fetched once into the cache"
    )
    limit: int | None = setting(
        None, "rows kept per domain and split, a fixed random subset", unit="rows", ge=3
    )


class FilesData(Section):
    """Your own labelled text with a domain column, or one folder per domain."""

    task: Literal["files"] = setting(..., "which data set")
    path: str = setting(
        ...,
        "a .jsonl, .csv or .parquet file with a domain column, a folder of them named "
        "{train,dev,test}.*, or a folder per domain holding {train,dev,test}.*",
    )
    text: str = setting("text", "column with the text")
    text_pair: str | None = setting(None, "column with the second text, for pairs")
    label: str = setting("label", "column with the label, a string or an integer")
    domain: str = setting("domain", "column with the domain; not read with a folder per domain")
    source_domains: tuple[str, ...] = setting(..., "domains to train on", min_length=1)
    target_domains: tuple[str, ...] = setting(..., "domains never seen in training", min_length=1)
    dev_fraction: float = setting(
        0.1, "share of a source domain held out where it has no dev split", gt=0, lt=0.5
    )
    limit: int | None = setting(
        None, "rows kept per domain and split, a fixed random subset", unit="rows", ge=3
    )


DATA_SECTIONS: dict[str, type[Section]] = {
    "amazon": AmazonData,
    "quickstart": QuickstartData,
    "files": FilesData,
}
DataConfig = Annotated[AmazonData | QuickstartData | FilesData, Field(discriminator="task")]


class TrainConfig(Section):
    """The one training routine, of fine-tuning and of rewinding (paper section 4.2)."""

    max_epochs: int = setting(10, "most passes over the source domains", paper=10, ge=1)
    patience: int = setting(
        3, "epochs without a better dev metric before training ends", unit="epochs", ge=1
    )
    max_length: int = setting(
        256, "longer texts are cut", unit="tokens", paper="256 on AMAZON", ge=8
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
    )
    precision: Literal["auto", "bf16", "fp32"] = setting(
        "auto", "bf16 autocast or float32; auto: bf16 where the device computes in it"
    )


class ScoringConfig(Section):
    """How sensitivities become scores (paper section 3.2)."""

    granularity: Literal["example", "token"] = setting(
        "example", "take |gradient| of the whole example, or of each token", paper="example"
    )
    normalize: Literal["heads", "all"] = setting(
        "all",
        "l2-normalise the heads of each layer, or also the FFN blocks of the network",
        paper="heads in the text, all in the released code",
    )
    min_heads: int = setting(1, "heads that stay in every layer", unit="heads", ge=0)
    batch_size: int = setting(64, "examples per backward pass and worker", ge=1)


class Range(Section):
    """A continuous interval to search."""

    low: float = setting(..., "smallest value")
    high: float = setting(..., "largest value")
    log: bool = setting(False, "draw uniformly in the logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low}) must be positive for a logarithmic range")
        return self

    def bounds(self) -> tuple[float, ...]:
        """The smallest and the largest value."""
        return (self.low, self.high)


def _listed(value: Any) -> Any:
    """A single value is a list of one."""
    return (value,) if isinstance(value, int | float | str) else value


FloatSpace = Annotated[
    Annotated[Range, Tag("range")] | Annotated[tuple[float, ...], Tag("list")],
    Discriminator(lambda value: "range" if isinstance(value, dict | Range) else "list"),
    BeforeValidator(_listed),
]
IntChoices = Annotated[tuple[int, ...], BeforeValidator(_listed)]


def bounds(space: FloatSpace) -> tuple[float, ...]:
    """Every value of a list, or the two ends of a range."""
    return space.bounds() if isinstance(space, Range) else space


class SearchConfig(Section):
    """One study per method: the same number of trials, drawn by Optuna, run by Ray Tune."""

    num_trials: int = setting(12, "trials of every method", paper="24 or more, unequal", ge=1)
    sampler: Literal["tpe", "random", "grid"] = setting("tpe", "Optuna's sampler")
    scheduler: Literal["none", "asha", "median"] = setting(
        "none", "Tune's rule that stops hopeless trials; runs differ with timing when it is on"
    )
    grace_epochs: int = setting(
        2, "epochs every trial gets before the scheduler may stop it", unit="epochs", ge=1
    )
    max_concurrent: int | None = setting(
        None, "trials at a time; unset: as many as the devices allow", ge=1
    )
    max_failures: int = setting(1, "times a failed trial is tried again", ge=0)
    learning_rate: FloatSpace = setting(
        (1e-5, 2e-5, 3e-5, 5e-5), "AdamW's peak rate", paper="1e-5, 2e-5, 3e-5, 5e-5"
    )
    batch_size: IntChoices = setting((16, 32), "examples per step over all workers", paper="16, 32")
    sparsity: FloatSpace = setting(
        Range(low=0.05, high=0.6), "fraction of heads and of FFN blocks removed", paper="25 levels"
    )
    variance_weight: FloatSpace = setting(
        (0.0, 10.0, 50.0, 100.0), "λ of the domain-general score", paper="0, 10, 50, 100"
    )

    @model_validator(mode="after")
    def _possible(self) -> SearchConfig:
        _check(self.sparsity, "sparsity", lambda s: 0 <= s < 1, "a fraction: 0 <= sparsity < 1")
        _check(self.variance_weight, "variance_weight", lambda v: v >= 0, "zero or more")
        _check(self.learning_rate, "learning_rate", lambda r: 0 < r < 1, "above 0 and below 1")
        _check(self.batch_size, "batch_size", lambda b: b >= 1, "one example or more")
        if self.sampler == "grid":
            for name in ("learning_rate", "sparsity", "variance_weight"):
                if isinstance(getattr(self, name), Range):
                    raise ValueError(f"search.{name}: a grid needs a list of values, not a range")
        return self


def _check(space: FloatSpace, name: str, allowed: Callable[[float], bool], rule: str) -> None:
    values = bounds(space)
    if not values:
        raise ValueError(f"search.{name} is empty; give at least one value")
    for value in values:
        if not allowed(value):
            raise ValueError(f"search.{name}={value:g} is impossible; allowed: {rule}")


class ResourceConfig(Section):
    """What runs where; Ray does the placing."""

    trial_workers: int = setting(
        1, "devices one training spans; 1: it runs in its trial's own process", ge=1
    )
    stage_workers: int = setting(1, "Ray Train workers that share a scoring pass", ge=1)
    cpus_per_worker: int = setting(1, "processors of a worker", unit="CPUs", ge=1)
    gpus_per_worker: float | None = setting(
        None, "GPUs of a worker; unset: one where the cluster has any", unit="GPUs", ge=0
    )


# What changes neither a stage nor the choices of a study: these may differ when a sweep goes on.
EXTENSIBLE = frozenset(
    {
        "name",
        "storage",
        "methods",
        "replicates",
        "train.micro_batch_size",
        "scoring.batch_size",
        "search.num_trials",
        "search.max_concurrent",
        "search.max_failures",
        "resources.trial_workers",
        "resources.stage_workers",
        "resources.cpus_per_worker",
        "resources.gpus_per_worker",
    }
)


# Folders of the storage that belong to no sweep.
RESERVED = ("store", "mlartifacts")


class SweepConfig(Section):
    """A sweep: which model, data and methods, how to train, what to search, where to keep it."""

    name: str = setting(
        ..., "name of the sweep and of its folder", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"
    )
    model: str = setting(
        ...,
        "hub name, local folder, or package:NAME/FOLDER for a model inside an installed package",
        paper="bert-base-uncased, bert-large-uncased",
    )
    seed: int = setting(0, "all randomness derives from it", ge=0)
    storage: str = setting("runs", "folder or URI (s3://, gs://) for stages and results")
    methods: tuple[Method, ...] = setting(
        ("dense", "random", "winning", "doge"), "methods to compare; dense must be among them"
    )
    replicates: int = setting(
        3, "fresh seeds over which each method's chosen configuration is repeated", ge=1, paper=1
    )
    data: DataConfig
    train: TrainConfig = TrainConfig()
    scoring: ScoringConfig = ScoringConfig()
    search: SearchConfig = SearchConfig()
    resources: ResourceConfig = ResourceConfig()

    @model_validator(mode="after")
    def _consistent(self) -> SweepConfig:
        if self.name in RESERVED:
            raise ValueError(f"name={self.name!r} is the storage's own folder; choose another name")
        if "dense" not in self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(
                f"methods={list(self.methods)}: name dense, which the others are drawn from and "
                "compared with, and every method once"
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
        """Every setting that can change a result, by dotted key."""
        flat = flatten(self.model_dump(mode="json"))
        return {key: value for key, value in flat.items() if key not in EXTENSIBLE}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, dict)
        flat |= flatten(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return flat
