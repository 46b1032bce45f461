"""``python -m doge_ray.doctor [NAME [key=value ...]]``: is the cluster fit for a sweep?

Looks at every node: versions, GPUs, storage, clock, disk; and at what only the driver needs: MLflow
and, of a sweep that is named, model and data. Says of each finding what to do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from doge_ray.arguments import Parser
from doge_ray.command import run_command
from doge_ray.config import Parts, SweepConfig, load_config, load_parts
from doge_ray.shell import called
from doge_ray.terminal import make_console


def main(arguments: Sequence[str]) -> None:
    """Parse the command line; print findings and remedies. Ends with 1 if something is wrong."""
    options = _parser().parse_intermixed_args(arguments)
    configs = _configs(options)
    default = SweepConfig.model_fields["storage"].get_default(call_default_factory=True)
    storage = configs[0].storage if configs else default

    # Ray and MLflow take seconds to import: what is quickly checked was checked before.
    from doge_ray.engine.cluster.connection import connected
    from doge_ray.engine.doctor.checkup import examine, examine_inputs, show

    findings = [finding for config in configs for finding in examine_inputs(config)]
    with connected(options.address):
        findings += examine(storage)
    show(findings, make_console())
    sys.exit(any(finding.level == "error" for finding in findings))


def _configs(options: argparse.Namespace) -> list[SweepConfig]:
    """The settings of the sweep that is named, or of each of its parts."""
    if options.name is None:
        return []
    parts = load_parts(options.name, options.overrides)
    if isinstance(parts, Parts):
        return [part.config for part in parts.parts]
    return [load_config(options.name, options.overrides)]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called("doctor"),
        description="Check every node of a Ray cluster, or this machine, before a sweep.",
    )
    parser.add_argument("name", nargs="?", help="a sweep, as in doge-ray sweep")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a setting")
    parser.add_argument("--address", help="of a Ray cluster; default: RAY_ADDRESS, or this machine")
    return parser


if __name__ == "__main__":
    run_command(main)
