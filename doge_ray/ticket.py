"""``python -m doge_ray.ticket scores=FILE kind=doge sparsity=0.2 out=FILE``: draw one ticket."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, create_model

from doge_ray.arguments import Parser
from doge_ray.command import run_command
from doge_ray.config.document import reference
from doge_ray.config.load import check, parse_pair
from doge_ray.config.section import Section, setting
from doge_ray.errors import InputError
from doge_ray.hyperparameters import Hyperparameter
from doge_ray.shell import called
from doge_ray.stages.score_table import read_scores
from doge_ray.terminal import write
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.kinds import KINDS, drawn_kinds
from doge_ray.tickets.ties import decimal


class TicketSettings(Section):
    """What a ticket is drawn by."""

    scores: str = setting(..., "score table, written by doge-ray score")
    out: str = setting(..., "where to write the ticket, as JSON")
    kind: str = setting("doge", f"what ranks the units: {', '.join(drawn_kinds())}")
    sparsity: float = setting(..., "fraction of heads and of FFN blocks removed", ge=0, lt=1)
    seed: int = setting(0, "of a random ticket", ge=0)
    normalize: Literal["heads", "all"] = setting("all", "which scores are l2-normalised")
    min_heads: int = setting(1, "heads that stay in every layer", unit="heads", ge=0)


def _setting_of(hyperparameter: Hyperparameter) -> tuple[Any, Any]:
    def possible(value: float) -> float:
        return hyperparameter.check(value)

    field = setting(0.0, hyperparameter.meaning, paper=hyperparameter.paper)
    return Annotated[float, AfterValidator(possible)], field


_OWN = {each.name: each for kind in KINDS.values() for each in kind.own}
_FIELDS: dict[str, Any] = {name: _setting_of(each) for name, each in _OWN.items()}
_Settings: Any = create_model("_Settings", __base__=TicketSettings, **_FIELDS)


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and write the ticket."""
    pairs = dict(parse_pair(pair) for pair in _parser().parse_args(arguments).settings)
    wanted = check(_Settings, pairs, "ticket", _Settings.model_fields)
    moments, parameters, source = read_scores(Path(wanted.scores))
    ticket = draw_ticket(
        wanted.kind,
        moments,
        wanted.sparsity,
        parameters,
        seed=wanted.seed,
        normalize=wanted.normalize,
        min_heads=wanted.min_heads,
        ffn_rank=source.get("ffn_rank", "score"),
        **{name: getattr(wanted, name) for name in _OWN},
    )
    provenance = {**ticket.provenance, "scores": wanted.scores, "scored": source}
    try:
        Path(wanted.out).write_text(replace(ticket, provenance=provenance).to_json())
    except OSError as error:
        raise InputError(f"out={wanted.out!r} cannot be written: {error.strerror}") from None
    write(
        f"{wanted.out}: {wanted.kind} ticket, "
        f"{(~ticket.head_mask).sum()} of {ticket.head_mask.size} heads and "
        f"{(~ticket.ffn_mask).sum()} of {ticket.ffn_mask.size} FFN blocks removed, "
        f"{decimal(ticket.parameter_fraction):.1%} of the encoder's parameters"
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called("ticket"),
        description="Draw a ticket from a score table.",
        epilog=reference(_Settings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("settings", nargs="*", metavar="key=value")
    return parser


if __name__ == "__main__":
    run_command(main)
