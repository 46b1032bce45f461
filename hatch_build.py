"""A wheel takes the sweeps and the cluster files along: they stand at the top of the checkout."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CheckoutFiles(BuildHookInterface[Any]):
    """Puts ``files`` of pyproject.toml below ``doge_ray/checkout``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install finds them where they are; a machine of a cluster has few of them."""
        if version == "standard":
            build_data["force_include"] |= {
                file: f"doge_ray/checkout/{file}" for file in self.config["files"]
            }
