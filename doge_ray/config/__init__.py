"""What a sweep is (``schema``), how a file and overrides become one (``load``), its help text."""

from doge_ray.config.load import load_config
from doge_ray.config.schema import (
    AmazonData,
    DataConfig,
    FilesData,
    QuickstartData,
    Range,
    ResourceConfig,
    ScoringConfig,
    SearchConfig,
    SweepConfig,
    TrainConfig,
)

__all__ = [
    "AmazonData",
    "DataConfig",
    "FilesData",
    "QuickstartData",
    "Range",
    "ResourceConfig",
    "ScoringConfig",
    "SearchConfig",
    "SweepConfig",
    "TrainConfig",
    "load_config",
]
