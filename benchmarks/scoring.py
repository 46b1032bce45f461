"""How fast one backward pass for a whole batch scores (``python -m benchmarks.scoring``).

Against a loop that takes autograd's gradient by real gates example by example, and against the
floor: one forward pass and one backward pass to the first layer's context, of the same batches.
Weights are frozen on all sides. Every round measures all sides on each batch in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from benchmarks.reviews import ALONE, encoded_reviews, model_folder, parser
from doge_ray.domains.batches import Rows, ordered_batches
from doge_ray.domains.encoded import Encoded, EncodedSplit
from doge_ray.encoders.families import encoder_layers, family_of, linear_at, unit_shape
from doge_ray.encoders.gates import gated
from doge_ray.encoders.initial import initial_model
from doge_ray.stages.score import score


def batched(model: PreTrainedModel, data: Encoded, rows: Rows) -> None:
    split = data.train
    taken = {name: getattr(split, name)[rows] for name in ("domains_N", "labels_N", "starts_N")}
    score(
        model,
        replace(split, **taken, lengths_N=split.lengths_N[rows]),
        data.source_domains,
        batch_size=len(rows),
        granularity="example",
        world=ALONE,
    )


def one_by_one(model: PreTrainedModel, data: Encoded, rows: Rows) -> None:
    shape = unit_shape(model)
    for row in rows:
        gates = torch.ones(shape, requires_grad=True), torch.ones(shape[0], requires_grad=True)
        with gated(model, *gates):
            loss = losses(model, data.train, row[None]).sum()
        for gradient in torch.autograd.grad(loss, gates):
            gradient.abs()


def floor(model: PreTrainedModel, data: Encoded, rows: Rows) -> None:
    roots: list[Tensor] = []
    output = linear_at(encoder_layers(model)[0], family_of(model.config).output)
    hook = output.register_forward_pre_hook(
        lambda _, inputs: roots.append(inputs[0].requires_grad_(True))
    )
    torch.autograd.grad(losses(model, data.train, rows).sum(), roots)
    hook.remove()


def losses(model: PreTrainedModel, split: EncodedSplit, rows: Rows) -> Tensor:
    batch = split.batch(rows)
    labels_B = batch.pop("labels")
    return cross_entropy(model(**batch).logits, labels_B, reduction="none")


SIDES = {"one backward pass": batched, "one by one": one_by_one, "floor": floor}


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--examples", type=int, default=256, help="reviews of the sample scored")
    options.add_argument("--batch-size", type=int, default=64)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    torch.set_num_threads(given.threads)

    data = encoded_reviews(given.root)
    model = initial_model(model_folder(), data.label_names, seed=0).requires_grad_(False)
    whole = ordered_batches(data.train.lengths_N, given.batch_size)[:-1]
    chosen = np.linspace(0, len(whole) - 1, given.examples // given.batch_size + 2)[1:-1]
    batches = [whole[index] for index in chosen.astype(int)]
    floor(model, data, batches[-1])  # the first pass allocates

    times = np.array(
        [
            [
                [seconds(partial(side, model, data, rows)) for side in SIDES.values()]
                for rows in batches
            ]
            for _ in range(given.rounds)
        ]
    )
    examples, total = sum(map(len, batches)), np.median(times.sum(1), axis=0)
    tokens = data.train.lengths_N[np.concatenate(batches)].mean()
    print(
        f"{examples} reviews of {tokens:.0f} tokens, batches of {given.batch_size}, "
        f"{given.threads} thread(s), median of {given.rounds} rounds"
    )
    for name, time_taken in zip(SIDES, total, strict=True):
        print(f"{name:<20}{examples / time_taken:8.1f} examples/s")
    print(f"RATIO to one by one  {total[1] / total[0]:.2f}  (at least 3)")
    print(f"RATIO to the floor   {total[2] / total[0]:.2f}  (at least 0.8)")


if __name__ == "__main__":
    main()
