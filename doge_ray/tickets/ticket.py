"""A ticket: which heads and FFN blocks of the encoder stay, and where that came from.

Shapes: L layers, H heads of a layer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from doge_ray.errors import DAMAGED, InputError
from doge_ray.shell import command_line
from doge_ray.tickets.kinds import KINDS


class UnitParameters(NamedTuple):
    """Parameters of one head, of one FFN block and of the whole encoder without embeddings."""

    head: int
    ffn: int
    encoder: int

    def require(self, num_layers: int, num_heads: int) -> None:
        """Refuse sizes of units that are more than the encoder.

        Raises:
            ValueError: names them.
        """
        units = num_layers * (num_heads * self.head + self.ffn)
        if min(self) < 1 or units > self.encoder:
            raise ValueError(f"{self} do not fit {num_layers} layers of {num_heads} heads")


@dataclass(frozen=True, eq=False)
class Ticket:
    """Keep decisions (True = kept) with their provenance.

    ``sparsity`` is the fraction that was asked for; ``provenance`` says what the ticket was drawn
    from (λ, seed, score table).
    """

    kind: str
    head_mask: NDArray[np.bool_]
    ffn_mask: NDArray[np.bool_]
    sparsity: float
    parameters: UnitParameters
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"ticket kind {self.kind!r} is unknown; allowed: {', '.join(KINDS)}")
        heads, ffns = self.head_mask, self.ffn_mask
        if heads.ndim != 2 or ffns.shape != heads.shape[:1]:
            raise InputError(
                f"ticket masks of shapes {heads.shape} and {ffns.shape} do not fit together; "
                "expected L lists of H booleans and one list of L booleans"
            )
        if not 0 <= self.sparsity < 1:
            raise InputError(f"ticket sparsity {self.sparsity} is impossible; allowed: 0 up to 1")

    @cached_property
    def digest(self) -> str:
        """Identity of the mask alone: equal digests train the same network."""
        bits = np.packbits(np.concatenate([self.head_mask.ravel(), self.ffn_mask]))
        shape = np.array(self.head_mask.shape, dtype="<i8")
        return hashlib.sha256(shape.tobytes() + bits.tobytes()).hexdigest()[:12]

    @property
    def unit_fraction(self) -> float:
        """Fraction of units (heads and FFN blocks together) that is removed."""
        kept = self.head_mask.sum() + self.ffn_mask.sum()
        return float(1 - kept / (self.head_mask.size + self.ffn_mask.size))

    @property
    def parameter_fraction(self) -> float:
        """Fraction of the encoder's parameters that is removed."""
        heads = int((~self.head_mask).sum()) * self.parameters.head
        ffns = int((~self.ffn_mask).sum()) * self.parameters.ffn
        return (heads + ffns) / self.parameters.encoder

    def to_json(self) -> str:
        """The ticket as a JSON document that ``from_json`` reads back."""
        return json.dumps(
            {
                "kind": self.kind,
                "sparsity": self.sparsity,
                "unit_fraction": self.unit_fraction,
                "parameter_fraction": self.parameter_fraction,
                "head_mask": self.head_mask.tolist(),
                "ffn_mask": self.ffn_mask.tolist(),
                "parameters": self.parameters._asdict(),
                "provenance": dict(self.provenance),
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str, place: str = "ticket") -> Ticket:
        """Read what ``to_json`` wrote; ``place`` names the file in errors.

        Raises:
            InputError: the document is not a ticket.
        """
        try:
            record = json.loads(text)
            ticket = cls(
                record["kind"],
                _mask(record["head_mask"]),
                _mask(record["ffn_mask"]),
                float(record["sparsity"]),
                UnitParameters(**{key: int(n) for key, n in record["parameters"].items()}),
                dict(record["provenance"]),
            )
            ticket.parameters.require(*ticket.head_mask.shape)
            return ticket
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        except DAMAGED as error:
            raise InputError(
                f"{place}: not a ticket ({error!r}); write one with "
                f"{command_line('doge-ray', 'ticket')}"
            ) from None


def dense_ticket(num_layers: int, num_heads: int, parameters: UnitParameters) -> Ticket:
    """The ticket that keeps everything: fine-tuning is rewinding with it."""
    heads = np.ones((num_layers, num_heads), bool)
    return Ticket("dense", heads, np.ones(num_layers, bool), 0.0, parameters)


def _mask(rows: Any) -> NDArray[np.bool_]:
    mask = np.array(rows)
    if mask.dtype != bool:
        raise ValueError("masks are lists of true and false")
    return mask
