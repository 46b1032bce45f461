"""``python -m doge_ray.sweeps [copy NAME]``: the sweeps there are; one of them to be edited.

Those in ``sweeps/`` of the working directory are one's own and come before the shipped ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from doge_ray.arguments import Parser
from doge_ray.command import run_command
from doge_ray.config.load import SWEEP_FOLDERS
from doge_ray.config.read import read_settings
from doge_ray.errors import InputError, nearest
from doge_ray.shell import called, command_line
from doge_ray.terminal import write

OWN, SHIPPED = SWEEP_FOLDERS


def main(arguments: Sequence[str]) -> None:
    """Parse the command line; print the list, or write a copy."""
    options = _parser().parse_args(arguments)
    if options.action == "copy":
        copy(options.name)
    else:
        show()


def show() -> None:
    """Every sweep with the first line of its file: one's own, then what is shipped."""
    in_checkout = OWN.resolve() == SHIPPED
    own, shipped = _files(OWN), {} if in_checkout else _files(SHIPPED)
    width = max(map(len, [*own, *shipped]))
    for title, files in (("in sweeps/", own), ("shipped", shipped)):
        if files:
            write(f"{title}:")
        for name, file in files.items():
            hidden = "(yours of that name comes first) " if files is shipped and name in own else ""
            write(f"  {name:{width}}  {hidden}{_first_line(file)}".rstrip())


def copy(name: str) -> None:
    """Write a shipped sweep to ``sweeps/NAME.yaml``, and those of its parts that are not there.

    Raises:
        InputError: no such sweep is shipped; its file is there already, or cannot be written.
    """
    shipped = _files(SHIPPED)
    if name not in shipped:
        raise InputError(
            f"no sweep named {name!r} is shipped; there are: {', '.join(shipped)}"
            f"{nearest(name, shipped)}"
        )
    if (OWN / f"{name}.yaml").exists():
        raise InputError(
            f"{OWN / name}.yaml is there already, and stays as it is; edit it, or give it another "
            "name first"
        )
    parts = {part["sweep"]: shipped[part["sweep"]] for part in _parts(shipped[name])}
    try:
        OWN.mkdir(exist_ok=True)
        for each, file in {name: shipped[name], **parts}.items():
            _write(OWN / f"{each}.yaml", file)
    except OSError as error:
        raise InputError(
            f"{OWN}/ cannot be written: {error.strerror}; go to another folder"
        ) from None
    write(f"run it   {command_line('doge-ray', 'sweep', name, '--dry-run')}")


def _files(folder: Path) -> dict[str, Path]:
    files = {file.stem: file for file in folder.glob("*.yaml")}
    return dict(sorted(files.items()))


def _parts(file: Path) -> list[dict[str, str]]:
    return list(read_settings(file).get("parts", ()))


def _write(target: Path, file: Path) -> None:
    if target.exists():
        write(f"kept     {target}, which was there")
    else:
        target.write_bytes(file.read_bytes())
        write(f"written  {target}")


def _first_line(file: Path) -> str:
    """What a file says of itself; nothing where it begins with a setting."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        line = next(lines, "").strip()
    return line.lstrip("# ") if line.startswith("#") else ""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called("sweeps"),
        description="List the sweeps there are: those in sweeps/, then the shipped ones.",
    )
    actions = parser.add_subparsers(dest="action", metavar="copy")
    copied = actions.add_parser("copy", help="write a shipped sweep to sweeps/, to be edited")
    copied.add_argument(
        "name", help="of a shipped sweep; the sweeps that it consists of come along"
    )
    return parser


if __name__ == "__main__":
    run_command(main)
