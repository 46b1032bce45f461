"""The Dockerfile, as far as it can be checked without Docker."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch
from typing import NamedTuple

from tests.cluster.test_files import ROOT, read

TEXT = (ROOT / "Dockerfile").read_text()


class Instruction(NamedTuple):
    name: str
    options: list[str]
    words: list[str]


def instructions() -> list[Instruction]:
    """Its lines, joined where they end in a backslash, without comments."""
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    logical = "\n".join(lines).replace("\\\n", " ").splitlines()
    found = []
    for line in filter(None, map(str.strip, logical)):
        name, _, rest = line.partition(" ")
        words = shlex.split(rest)
        options = [word for word in words if name == "COPY" and word.startswith("--")]
        found.append(Instruction(name, options, [word for word in words if word not in options]))
    return found


def copied() -> dict[str, str]:
    """What is copied, by its source."""
    pairs = {}
    for each in instructions():
        if each.name == "COPY":
            *sources, target = each.words
            assert len(sources) == 1 or target.endswith("/")
            pairs |= dict.fromkeys(sources, target)
    return pairs


def is_let_in(path: str) -> bool:
    """By .dockerignore, where the last pattern that fits decides."""
    inside = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and fnmatch(path, pattern):
            inside = line.startswith("!")
    return inside


def test_it_holds_only_instructions_that_are_known():
    assert [each.name for each in instructions()] == ["FROM", "COPY", "COPY", "COPY", "RUN"]


def test_the_base_image_has_the_ray_of_the_constraints_and_the_cluster():
    [base] = [each.words[0] for each in instructions() if each.name == "FROM"]
    image, version, python = re.fullmatch(r"(\S+):([\d.]+)-py(\d+)-gpu", base).groups()
    assert image == "rayproject/ray"
    assert f"ray=={version}\n" in (ROOT / "constraints.txt").read_text()
    assert f"rayVersion: {version}\n" in (ROOT / "cluster.kuberay.yaml").read_text()
    assert (
        f'requires-python = ">={python[0]}.{python[1:]}"' in (ROOT / "pyproject.toml").read_text()
    )


def test_what_it_copies_exists_is_let_in_and_is_what_ray_up_copies():
    assert all((ROOT / source).exists() and is_let_in(source) for source in copied())
    mounts = read("cluster.yaml")["file_mounts"].values()
    assert set(copied()) == {source for source in mounts if not source.startswith("~")}
    assert not is_let_in(".git")
    assert not is_let_in("runs")


def test_every_folder_keeps_its_name_below_doge_ray():
    for source, target in copied().items():
        is_folder = (ROOT / source).is_dir()  # Docker copies what is in it, not the folder
        assert target == (f"doge_ray/{source}" if is_folder else "doge_ray/")


def test_files_belong_to_the_images_user_who_installs_the_constraints_versions():
    assert all(each.options == ["--chown=ray"] for each in instructions() if each.name == "COPY")
    [install] = [each.words for each in instructions() if each.name == "RUN"]
    assert install[:2] == ["pip", "install"]
    assert install[install.index("--constraint") + 1] == "doge_ray/constraints.txt"
    assert install[install.index("--editable") + 1] == "doge_ray[aws]"


def test_its_tag_is_the_version_and_the_clusters_image():
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    tag = f"YOUR-REGISTRY/doge-ray:{version}"
    assert TEXT.count(tag) == 2
    assert f"&image {tag} " in (ROOT / "cluster.kuberay.yaml").read_text()
