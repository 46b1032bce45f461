"""What a sweep is (``schema``), how a file and overrides become one (``load``), its help text."""

from doge_ray.config.data import (
    AmazonData,
    DataConfig,
    FilesData,
    OntonotesData,
    QuickstartData,
    Task,
)
from doge_ray.config.load import load_config
from doge_ray.config.schema import ResourceConfig, ScoringConfig, SweepConfig, TrainConfig
from doge_ray.config.search import Range, SearchConfig

__all__ = [
    "AmazonData",
    "DataConfig",
    "FilesData",
    "OntonotesData",
    "QuickstartData",
    "Range",
    "ResourceConfig",
    "ScoringConfig",
    "SearchConfig",
    "SweepConfig",
    "Task",
    "TrainConfig",
    "load_config",
]
