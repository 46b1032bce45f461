"""How fast one backward pass for a whole batch scores (``python -m benchmarks.scoring``).

Against the floor, one forward pass and one backward pass to the first layer's context of the same
batches; and against loops that take autograd's gradient by real gates example by example: without
padding and with frozen weights, which is the best that such a loop can do; padded to max_length;
and with ``loss.backward()``, which computes the gradients of all weights too. All sides compute of
the last layer's FFN what is read. Every round measures all of them on each batch in turn; the loops
take every eighth example of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from benchmarks.reviews import ALONE, MAX_LENGTH, encoded_reviews, model_folder, parser
from doge_ray.command import run_command
from doge_ray.domains.batches import Rows, ordered_batches
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import EncodedSplit
from doge_ray.encoders.families import encoder_layers, family_of, linear_at, unit_shape
from doge_ray.encoders.gates import gated
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.packing import first_token_alone
from doge_ray.stages.score import score

Side = Callable[[PreTrainedModel, Encoded, Rows], None]
THIN = 8


def batched(model: PreTrainedModel, data: Encoded, rows: Rows) -> None:
    split = data.train
    columns = ("domains_N", "labels_N", "starts_N", "lengths_N")
    score(
        model,
        replace(split, **{name: getattr(split, name)[rows] for name in columns}),
        data.source_domains,
        batch_size=len(rows),
        granularity="example",
        world=ALONE,
    )


def floor(model: PreTrainedModel, data: Encoded, rows: Rows) -> None:
    roots: list[Tensor] = []
    output = linear_at(encoder_layers(model)[0], family_of(model.config).output)
    hook = output.register_forward_pre_hook(
        lambda _, inputs: roots.append(inputs[0].requires_grad_(True))
    )
    with first_token_alone(model):
        torch.autograd.grad(losses_of(model, data.train, rows).sum(), roots)
    hook.remove()


def one_by_one(
    model: PreTrainedModel, data: Encoded, rows: Rows, pad_to: int = 1, weights: bool = False
) -> None:
    model.requires_grad_(weights)
    num_layers, num_heads = unit_shape(model)
    for row in rows:
        head_gates = torch.ones(num_layers, num_heads, requires_grad=True)
        ffn_gates = torch.ones(num_layers, requires_grad=True)
        with first_token_alone(model), gated(model, head_gates, ffn_gates):
            losses_of(model, data.train, row[None], pad_to).sum().backward()
        model.zero_grad()
    model.requires_grad_(False)


def losses_of(model: PreTrainedModel, split: EncodedSplit, rows: Rows, pad_to: int = 1) -> Tensor:
    batch = split.batch(rows, pad_to)
    labels_B = batch.pop("labels")
    return cross_entropy(model(**batch).logits, labels_B, reduction="none")


LOOPS: dict[str, Side] = {
    "loop, frozen weights": one_by_one,
    "loop, padded": partial(one_by_one, pad_to=MAX_LENGTH),
    "loop, loss.backward()": partial(one_by_one, weights=True),
    "loop, padded, loss.backward()": partial(one_by_one, pad_to=MAX_LENGTH, weights=True),
}


def seconds(side: Side, model: PreTrainedModel, data: Encoded, rows: Rows) -> float:
    """For all rows; of a loop, from a part of them."""
    taken = rows[:: THIN if side in LOOPS.values() else 1]
    started = time.perf_counter()
    side(model, data, taken)
    return (time.perf_counter() - started) * len(rows) / len(taken)


def main(arguments: Sequence[str]) -> None:
    options = parser(__doc__)
    options.add_argument("--examples", type=int, default=256, help="reviews of the sample scored")
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args(arguments)
    torch.set_num_threads(given.threads)

    data = encoded_reviews(given.root)
    model = initial_model(model_folder(), data.label_names, seed=0).requires_grad_(False)
    # Batches as scoring cuts them, evenly spaced from the longest reviews to the shortest.
    whole = ordered_batches(data.train.lengths_N, given.batch_size)[:-1]
    count = given.examples // given.batch_size
    batches = [whole[int((i + 0.5) / count * len(whole))] for i in range(count)]
    sides: dict[str, Side] = {"one backward pass": batched, "floor": floor, **LOOPS}
    floor(model, data, batches[0])  # the first pass allocates

    times = [
        [[seconds(side, model, data, rows) for side in sides.values()] for rows in batches]
        for _ in range(given.rounds)
    ]
    total = dict(zip(sides, np.median(np.sum(times, axis=1), axis=0), strict=True))
    tokens = data.train.lengths_N[np.concatenate(batches)].mean()
    print(
        f"{count * given.batch_size} reviews of {tokens:.0f} tokens, batches of "
        f"{given.batch_size}, {given.threads} thread(s), median of {given.rounds} rounds"
    )
    for name, time_taken in total.items():
        print(f"{name:<32}{count * given.batch_size / time_taken:6.1f} examples/s")
    for name in ("floor", *LOOPS):
        print(f"RATIO to {name:<32}{total[name] / total['one backward pass']:.2f}")


if __name__ == "__main__":
    run_command(main)
