"""``python -m doge_ray.cluster copy [FOLDER]``: write out the files that make a cluster.

``ray up`` installs on the machines what lies beside ``cluster.yaml``, so the package itself and the
sweeps come along: the folder is what a checkout would be.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from doge_ray.command import run_command
from doge_ray.errors import InputError
from doge_ray.shell import called, quoted
from doge_ray.shipped import CHECKOUT, PACKAGE

IMAGE = ("Dockerfile", ".dockerignore")


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and write the folder."""
    copy(Path(_parser().parse_args(arguments).folder))


def copy(folder: Path) -> None:
    """Fill a folder with the cluster files and with what these name.

    Raises:
        InputError: the folder is there already, or cannot be written.
    """
    try:
        folder.mkdir(parents=True)
        for name in _names():
            source = PACKAGE if name == PACKAGE.name else CHECKOUT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=_left_out)
            else:
                shutil.copyfile(source, folder / name)
    except FileExistsError:
        raise InputError(f"{folder} is there already, and stays as it is; name another") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; name another") from None
    print(f"written  {folder}: {', '.join(sorted(file.name for file in folder.iterdir()))}")
    print(f"next     cd {quoted(str(folder))}; the lines with EDIT in cluster.yaml are yours")


def _names() -> Iterator[str]:
    """The cluster files, what makes an image, and what ``ray up`` copies to machines from here."""
    yield from sorted(file.name for file in CHECKOUT.glob("cluster*.yaml"))
    yield from IMAGE
    mounts = yaml.safe_load((CHECKOUT / "cluster.yaml").read_text())["file_mounts"]
    yield from (source for source in mounts.values() if not source.startswith("~"))


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Bytecode, and of an installed package what stands beside it in the copy."""
    return {"__pycache__"} | ({CHECKOUT.name} if Path(folder) == PACKAGE else set())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=called("cluster"), description="Write out the files that make a cluster."
    )
    actions = parser.add_subparsers(dest="action", metavar="copy", required=True)
    copied = actions.add_parser(
        "copy", help="cluster.yaml and its like, the Dockerfile, and what they install"
    )
    copied.add_argument("folder", nargs="?", default="cluster", help="to make; default: cluster")
    return parser


if __name__ == "__main__":
    run_command(main)
