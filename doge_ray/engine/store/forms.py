"""What a published stage's result holds, by the stage's kind."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

ByDomain = dict[str, float]


class Epoch(BaseModel):
    """An epoch of a training; metrics in [0, 1]."""

    epoch: int
    loss: float
    dev_metric: float
    dev: ByDomain
    seconds: float


class Trained(BaseModel):
    """A training: its best epoch, and all of them."""

    dev_metric: float
    dev: ByDomain
    best_epoch: int
    epochs: int
    seconds: float
    history: list[Epoch]


class Evaluated(BaseModel):
    """An evaluation: metrics by target domain and their means, also without duplicates."""

    target: ByDomain
    target_metric: float
    target_deduplicated: ByDomain
    target_metric_deduplicated: float | None


class Timed(BaseModel):
    """Work that has files for a result; earlier versions did not say how long it took."""

    seconds: float | None = None


_FORMS: dict[str, type[BaseModel]] = {
    "training": Trained,
    "evaluation": Evaluated,
    "scoring": Timed,
    "activations": Timed,
}


def is_whole(kind: str, result: Any) -> bool:
    """Whether a result has all that its kind's results have; a damaged one has not."""
    try:
        form = _FORMS.get(kind)
        if form is not None:
            form.model_validate(result, strict=True)
    except ValidationError:
        return False
    return isinstance(result, dict)
