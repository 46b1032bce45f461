"""doge_ray: sub-networks of pretrained encoders that generalise to domains they never saw.

An implementation of "Doge Tickets: Uncovering Domain-general Language Models by Playing Lottery
Tickets" (Yang et al., 2022). Reading order, from the idea to the machine:

``tickets`` (the mathematics), ``domains`` (labelled text), ``encoders`` (heads and FFN blocks,
gates, surgery), ``stages`` (train, score, evaluate), ``engine`` (Ray, Optuna, MLflow),
``reporting`` (tables), ``sweep`` (the command). ``config`` says what can be set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doge_ray.encoders.folders import load_model, save_dense
    from doge_ray.encoders.masks import recorded_masks

    __version__: str

__all__ = ["__version__", "load_model", "recorded_masks", "save_dense"]


def __getattr__(name: str) -> Any:
    """Load torch only when a model is asked for: the mathematics needs none of it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("doge-ray")
    if name in __all__:
        from doge_ray.encoders import folders, masks

        return getattr(masks if name == "recorded_masks" else folders, name)
    raise AttributeError(f"module 'doge_ray' has no attribute {name!r}")
