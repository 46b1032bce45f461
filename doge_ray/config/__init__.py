"""What a sweep is (``schema``), how YAML (``read``) and overrides become one (``load``) or several
(``parts``), its help text (``document``).
"""

from doge_ray.config.data import (
    AmazonData,
    DataConfig,
    FilesData,
    MnliData,
    OntonotesData,
    QuickstartData,
    Task,
)
from doge_ray.config.load import load_config
from doge_ray.config.parts import Part, Parts, load_parts, sweep_files
from doge_ray.config.schema import ResourceConfig, ScoringConfig, SweepConfig, TrainConfig
from doge_ray.config.search import Range, SearchConfig

__all__ = [
    "AmazonData",
    "DataConfig",
    "FilesData",
    "MnliData",
    "OntonotesData",
    "Part",
    "Parts",
    "QuickstartData",
    "Range",
    "ResourceConfig",
    "ScoringConfig",
    "SearchConfig",
    "SweepConfig",
    "Task",
    "TrainConfig",
    "load_config",
    "load_parts",
    "sweep_files",
]
