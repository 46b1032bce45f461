"""``doge-ray`` or ``python -m doge_ray``: the list of commands; with a command's name, that one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from doge_ray import __version__
from doge_ray.arguments import Parser
from doge_ray.command import run_command
from doge_ray.shell import called

COMMANDS = {
    "sweep": "find and compare tickets: fine-tune, score, draw, rewind, measure",
    "sweeps": "list the sweeps there are; copy one to edit it",
    "report": "a sweep's tables, figures and page again, from what is stored",
    "score": "score every head and FFN block of a fine-tuned model",
    "ticket": "draw one ticket from a score table",
    "doctor": "what is wrong with a cluster, or this machine, and what to do",
    "cluster": "write out the files that make a cluster",
    "spot": "on a spot machine: tell Ray before it is taken away",
}


def main(arguments: Sequence[str]) -> None:
    """Run the command that is named first; only its module is loaded."""
    parser = _parser()
    command = parser.parse_args(arguments[:1]).command
    if command is None:
        parser.print_help()
    else:
        import_module(f"doge_ray.{command}").main(arguments[1:])


def run() -> None:
    """The console script."""
    run_command(main)


def _parser() -> argparse.ArgumentParser:
    prog = called("").rstrip()
    lines = "\n".join(f"  {name:8}  {what}" for name, what in COMMANDS.items())
    parser = Parser(
        prog=prog,
        usage=f"{prog} COMMAND ...",
        description="Find the sub-networks of pretrained language models that generalise.",
        epilog=f"commands:\n{lines}\n\n{prog} COMMAND --help says more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"doge-ray {__version__}")
    return parser


if __name__ == "__main__":
    run_command(main)
