"""What was trained on what, how it was chosen, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.config.methods import hyperparameters
from doge_ray.config.schema import ScoringConfig, SweepConfig, TrainConfig
from doge_ray.config.search import Range
from doge_ray.domains.audit import Audit
from doge_ray.hyperparameters import Hyperparameter
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table, percent
from doge_ray.reporting.trial_rows import TrialRow


def protocol_table(records: SweepRecords) -> Table:
    """Settings in words."""
    config, audit = records.config, records.audit
    train, search, scoring = config.train, config.search, config.scoring
    rows = [
        ("model", config.model),
        ("data", f"{config.data.set}{_split(config)}"),
        ("trained on", ", ".join(_domains(audit, "train"))),
        ("chosen by", records.selection.rule),
        ("measured on", ", ".join(_domains(audit, "test"))),
        ("budget", f"{search.num_trials} trials per method; sampler {search.sampler}, scheduler "
         f"{search.scheduler}"),
        ("searched", _searched(config)),
        ("training", f"at most {train.max_epochs} epochs, patience {train.patience}; AdamW, weight "
         f"decay {train.weight_decay:g}, {100 * train.warmup:g} % warm-up, gradient norm up to "
         f"{train.clip:g}; {_length(train)}; precision {train.precision}; "
         "weights of the best dev epoch"),
        ("scores", f"{_scored(scoring)}, normalise {scoring.normalize}, at least "
         f"{scoring.min_heads} head(s) kept per layer"),
        ("replicates", f"{config.replicates} fresh seeds, derived from seed {config.seed}"),
    ]  # fmt: skip
    return Table(("what", "how"), rows, left=2)


def audit_table(audit: Audit) -> Table:
    """Rows per domain and split, and shares of labels or, of a tagged corpus, of entity types."""
    duplicated, total = audit.duplicated_targets
    shares = [part.shares(audit.label_names) for part in audit.splits]
    rows = [
        (
            part.split,
            part.domain,
            f"{part.rows:,}",
            *(percent(share, "{:.0f} %") for share in each.values()),
            percent(part.truncated / max(part.rows, 1), "{:.1f} %"),
            "" if part.split == "train" else f"{part.duplicated:,}",
        )
        for part, each in zip(audit.splits, shares, strict=True)
    ]
    header = (
        "split",
        "domain",
        "rows",
        *(shares[0] if shares else ()),
        f"> {audit.max_length} tokens",
        "duplicated",
    )
    notes = [
        f"{duplicated:,} of {total:,} target rows stand in the sources too, up to case and white "
        "space; a dev row counts as duplicated when it stands in its own domain's train."
    ]
    return Table(header, rows, notes, left=2)


def cost_tables(records: SweepRecords) -> list[Table]:
    """Seconds and trainings by method, and the stages that methods share."""
    rows = [_cost_row(method, records) for method in records.methods]
    rows.append(_cost_row("all", records))
    methods = Table(
        ("method", "trials", "distinct", "seconds", "repeats", "distinct", "seconds", "in all"),
        rows,
        [
            "trials of the search first, then the repeats with fresh seeds. distinct: trainings "
            "that were run to their end; a trial whose mask, rate, batch size and seed an earlier "
            "one had is that one's. seconds: of training, those of stopped trials too, as long as "
            "each took beside the others on the devices at hand; trainings run side by side, so "
            "the clock on the wall shows less."
        ],
    )
    shared = [
        (kind, str(cost.count), "" if cost.seconds is None else f"{cost.seconds:,.0f}")
        for kind, cost in records.shared_stages.items()
        if cost.count
    ]
    if not shared:
        return [methods]
    return [methods, Table(("besides", "times", "seconds"), shared)]


def _cost_row(method: str, records: SweepRecords) -> tuple[str, ...]:
    rows = [row for row in records.rows if method in ("all", row.method)]
    search = [row for row in rows if row.replicate == 0]
    repeats = [row for row in rows if row.replicate]
    return (method, *_spent(search), *_spent(repeats), f"{_seconds(rows):,.0f}")


def _spent(rows: Sequence[TrialRow]) -> tuple[str, str, str]:
    return str(len(rows)), str(sum(row.trained for row in rows)), f"{_seconds(rows):,.0f}"


def _seconds(rows: Sequence[TrialRow]) -> float:
    return sum(row.seconds or 0.0 for row in rows)


def _domains(audit: Audit | None, split: str) -> list[str]:
    return [] if audit is None else [part.domain for part in audit.splits if part.split == split]


def _split(config: SweepConfig) -> str:
    split = getattr(config.data, "split", None)
    return "" if split is None else f", split {split}"


def _length(train: TrainConfig) -> str:
    if train.long_sentences == "windows":
        return f"long sentences in windows of {train.max_length} tokens"
    return f"texts cut at {train.max_length} tokens"


def _scored(scoring: ScoringConfig) -> str:
    if scoring.method == "authors_code":
        return (
            f"as the released code: |gradient| of each token, added up over batches of "
            f"{scoring.batch_size} and never zeroed, FFN blocks ranked by |score|"
        )
    precision = scoring.score_precision
    computed = "" if precision == "fp32" else f", computed in {precision}"
    return f"exact, granularity {scoring.granularity}{computed}"


def _searched(config: SweepConfig) -> str:
    """Every hyper-parameter that some method searches, with its space."""
    searched = dict.fromkeys(each for method in config.methods for each in hyperparameters(method))
    return "; ".join(f"{each.called} {_space(each, config)}" for each in searched)


def _space(searched: Hyperparameter, config: SweepConfig) -> str:
    space = config.search.given(searched.setting)
    if isinstance(space, str):
        return searched.lists[space].title
    if isinstance(space, Range):
        return f"{space.low:g} to {space.high:g}{', by logarithm' if space.log else ''}"
    return ", ".join(f"{value:g}" for value in space)
