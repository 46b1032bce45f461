"""``python -m doge_ray.cluster copy [FOLDER]``: write out the files that make a cluster.

``ray up`` installs on the machines what lies beside ``cluster.yaml``, so the package itself and the
sweeps come along: the folder is what a checkout would be.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from doge_ray.arguments import Parser
from doge_ray.atomic import replaced_folder
from doge_ray.command import run_command
from doge_ray.errors import InputError
from doge_ray.shell import called, quoted
from doge_ray.shipped import BESIDE, CHECKOUT, PACKAGE
from doge_ray.terminal import write

IMAGE = ("Dockerfile", ".dockerignore")


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and write the folder."""
    copy(Path(_parser().parse_args(arguments).folder))


def copy(folder: Path) -> None:
    """Make a folder of the cluster files and of what these name, whole or not at all.

    Raises:
        InputError: the folder is there already, or cannot be written; or the files are not here.
    """
    if folder.exists():
        raise InputError(f"{folder} is there already, and stays as it is; name another")
    sources = _sources()
    try:
        with replaced_folder(folder) as partial:
            for name, source in sources.items():
                if source.is_dir():
                    shutil.copytree(source, partial / name, ignore=_left_out)
                else:
                    shutil.copyfile(source, partial / name)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; name another") from None
    write(f"written  {folder}: {', '.join(sorted(file.name for file in folder.iterdir()))}")
    write(f"next     cd {quoted(str(folder))}; the lines with EDIT in cluster.yaml are yours")


def _sources() -> dict[str, Path]:
    """By name: cluster files, what makes an image, what ``ray up`` copies to machines from here."""
    files = sorted(file.name for file in CHECKOUT.glob("cluster*.yaml"))
    mounts = yaml.safe_load(_present("cluster.yaml").read_text())["file_mounts"]
    mounted = (source for source in mounts.values() if not source.startswith("~"))
    return {name: _present(name) for name in (*files, *IMAGE, *mounted)}


def _present(name: str) -> Path:
    path = PACKAGE if name == PACKAGE.name else CHECKOUT / name
    if not path.exists():
        raise InputError(
            f"{name} did not come along to this machine ({CHECKOUT} lacks it); copy the cluster "
            "files where doge_ray is installed from its wheel, or from a checkout"
        )
    return path


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Bytecode, and of an installed package what stands beside it in the copy."""
    return {"__pycache__"} | ({BESIDE.name} if Path(folder) == PACKAGE else set())


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=called("cluster"), description="Write out the files that make a cluster.")
    actions = parser.add_subparsers(dest="action", metavar="copy", required=True)
    copied = actions.add_parser(
        "copy", help="cluster.yaml and its like, the Dockerfile, and what they install"
    )
    copied.add_argument("folder", nargs="?", default="cluster", help="to make; default: cluster")
    return parser


if __name__ == "__main__":
    run_command(main)
