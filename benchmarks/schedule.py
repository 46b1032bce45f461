"""How long sweeps wait (``python -m benchmarks.schedule [NAME ...]``): their schedule on a clock.

No work is done, and no data is needed: a step takes as many passes over the source domains as
it makes, a training all of its epochs. Beside it stand the phases of earlier versions, each of
which waited for the last step of the one before: search dense, repeat it, score, search the other
methods, repeat them. Several sweeps run one after the other, as they are run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from doge_ray.command import run_command
from doge_ray.config import SweepConfig, load_config, load_parts
from doge_ray.engine.schedule.schedule import Effort
from doge_ray.engine.schedule.simulation import simulate
from doge_ray.engine.schedule.steps import Shape, Step, Steps, steps_of

SWEEPS = ("quickstart", "amazon", "amazon-large", "table2")
DEVICES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Waited:
    """A sweep on a number of devices: in trainings of one device, and the share of busy ones."""

    trainings: float
    busy: float


def in_phases(shape: Shape, effort: Effort) -> Steps:
    """The same steps, where each phase waits for the one before."""
    steps = steps_of(shape)
    work = [step for step in steps if effort(step)]
    return {
        step: [*before, *(other for other in work if _phase(other) == _phase(step) - 1)]
        if step in work
        else before
        for step, before in steps.items()
    }


def _phase(step: Step) -> int:
    if step.is_look:
        return 2
    return (0 if step.method == "dense" else 3) + (step.kind == "repeat")


def waited(config: SweepConfig, devices: int, phases: bool) -> Waited:
    """A sweep on a number of devices, by one schedule or in phases."""
    spanned = config.resources.trial_workers
    shape = Shape.of(config, max(1, devices // spanned))
    effort = Effort(config.train.max_epochs)
    steps = in_phases(shape, effort) if phases else steps_of(shape)

    def width(step: Step) -> int:
        return step.width(config.resources)

    # What spans several devices takes the less time on each.
    found = simulate(
        steps, effort, lambda step: effort(step) / width(step), max(devices, spanned), width
    )
    return Waited(found.seconds / config.train.max_epochs, found.busy)


def together(configs: Sequence[SweepConfig], devices: int, phases: bool) -> Waited:
    """Sweeps one after the other."""
    each = [waited(config, devices, phases) for config in configs]
    total = sum(found.trainings for found in each)
    return Waited(total, sum(found.busy * found.trainings for found in each) / total)


def configs_of(name: str) -> list[SweepConfig]:
    """A sweep, or those that it consists of."""
    parts = load_parts(name, [])
    return [part.config for part in parts.parts] if parts else [load_config(name, [])]


def main(arguments: Sequence[str]) -> None:
    """Print a table for each sweep, in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedule", description=__doc__)
    parser.add_argument("names", nargs="*", default=SWEEPS, help=f"default: {' '.join(SWEEPS)}")
    for name in parser.parse_args(arguments).names:
        configs = configs_of(name)
        print(f"\n{name}: {len(configs)} sweep(s); time in trainings of one device\n")
        print("| devices | one schedule | busy | in phases | busy | RATIO |\n|" + "---|" * 6)
        for devices in DEVICES:
            one, phases = (together(configs, devices, phases) for phases in (False, True))
            cells = f"{one.trainings:.1f}", f"{one.busy:.0%}"
            cells += f"{phases.trainings:.1f}", f"{phases.busy:.0%}"
            print(f"| {devices} | {' | '.join(cells)} | {phases.trainings / one.trainings:.2f} |")


if __name__ == "__main__":
    run_command(main)
