"""The one training routine: fine-tuning is rewinding with nothing pruned (paper, section 4.2)."""

from __future__ import annotations

import gc
from collections.abc import Callable

from transformers import PreTrainedModel

from doge_ray.domains.encoded import Encoded
from doge_ray.stages.recipe import EpochRecord, Recipe
from doge_ray.stages.snapshots import Snapshots, read_state
from doge_ray.stages.training import Training
from doge_ray.stages.world import World


def train(
    model: PreTrainedModel,
    data: Encoded,
    recipe: Recipe,
    world: World,
    snapshots: Snapshots,
    report: Callable[[list[EpochRecord]], None] = lambda history: None,
) -> list[EpochRecord]:
    """Train a classifier on the source domains; leave it with the weights of its best epoch.

    The best epoch is the one with the highest mean metric over the source domains' dev splits.
    The batch size is global: the result does not depend on how many processes share the work, up
    to rounding (and to dropout, which each process draws for itself).

    Args:
        model: on ``world.device``, in float32; changed in place.
        data: encoded source domains.
        recipe: hyper-parameters.
        world: the processes that share the work. Once it has notice that a machine of its goes,
            a snapshot is taken at once, and the training goes on for as long as it can.
        snapshots: a training that was cut off goes on from the last one, with any number of
            processes. ``stages/watch.py`` says how often one is taken.
        report: told of the epochs so far after each, those before a restart too.

    Returns:
        The record of every epoch: epoch, loss, dev_metric, dev (by domain), seconds.

    Raises:
        FloatingPointError: the loss or a weight is not finite.
    """
    gc.collect()  # an optimiser holds itself, and so its weights on the device, until looked for
    training = Training(model, data, recipe, world, snapshots)
    # All processes must start from the same epoch, also if a snapshot appears just now.
    training.restore(read_state(world.broadcast(snapshots.latest()), world))
    try:
        while not training.finished:
            training.train_epoch()
            if not training.finished and training.watch.is_due_after_an_epoch():
                training.save()
            report(training.history)
    finally:
        training.writer.finish()  # whoever goes on from here reads what was written
    training.keep_best()
    return training.history
