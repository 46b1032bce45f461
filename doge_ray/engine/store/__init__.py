"""Where results lie: ``stages`` by identity, in a ``storage`` that may refuse for a while."""

from doge_ray.engine.store.stages import Stage, StageStore

__all__ = ["Stage", "StageStore"]
