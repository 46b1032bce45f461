"""The wheel, installed into an environment of its own and used from an empty folder."""

from __future__ import annotations

import shlex
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import doge_ray
from doge_ray.__main__ import COMMANDS
from tests.engine.project import ROOT, environment, make_project

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PROJECT["project"]["version"]


def build(source: Path, target: str, folder: Path) -> Path:
    """Build without an environment of its own, which would need the package index."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl" if target == "wheel" else "*.tar.gz"))


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of a fresh environment: the wheel in it, what it depends on from this one."""
    place = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(place, symlinks=True)
    own = sysconfig.get_path("purelib", vars={"base": str(place)})
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    # .pth files that lie there are not read, so this checkout stays out.
    ours = [path for path in sys.path if path.endswith("site-packages")]
    Path(own, "dependencies.pth").write_text("\n".join(ours) + "\n")
    return place / "bin"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "an empty folder"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def run(command: str, programs: Path, status: int = 0) -> str:
    """A line of a shell in which the environment is active; what it printed."""
    paths = {"PATH": f"{programs}:/usr/bin:/bin"}
    known = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    done = subprocess.run(
        ["bash", "-c", command], env=known | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_it_is_the_installed_package_that_runs(programs: Path, folder: Path) -> None:
    place, version = run(
        "python -c 'import doge_ray; print(doge_ray.__file__); print(doge_ray.__version__)'",
        programs,
    ).split("\n", 1)
    assert Path(place).is_relative_to(programs.parent)
    assert version.strip() == VERSION
    assert run("doge-ray --version", programs) == f"doge-ray {VERSION}\n"


def test_the_commands_are_listed_and_each_has_its_help(programs: Path, folder: Path) -> None:
    for called in ("doge-ray", "python -m doge_ray", "doge-ray --help"):
        listed = run(called, programs)
        assert all(f"  {name} " in listed for name in COMMANDS)
    assert "usage: doge-ray sweeps" in run("doge-ray sweeps --help", programs)
    assert "usage: python -m doge_ray.sweeps" in run("python -m doge_ray.sweeps --help", programs)
    assert "invalid choice: 'swep'" in run("doge-ray swep", programs, status=2)
    modules = {
        path.stem for path in (ROOT / "doge_ray").glob("*.py") if "_parser()" in path.read_text()
    }
    assert modules - {"__main__"} == set(COMMANDS)


def test_listing_sweeps_loads_neither_torch_nor_ray(programs: Path, folder: Path) -> None:
    loaded = run("python -X importtime -m doge_ray sweeps", programs)
    assert "doge_ray.config" in loaded
    assert not {"torch", "ray", "transformers", "mlflow"} & {
        line.rpartition("|")[2].strip() for line in loaded.splitlines()
    }


def test_the_shipped_sweeps_are_listed_with_ones_own(programs: Path, folder: Path) -> None:
    listed = run("doge-ray sweeps", programs)
    for file in (ROOT / "sweeps").glob("*.yaml"):
        assert file.read_text().splitlines()[0].removeprefix("# ") in listed
    assert "in sweeps/" not in listed
    assert "copied" in run(
        "mkdir sweeps; echo '# copied' > sweeps/mine.yaml; doge-ray sweeps", programs
    )


def test_a_copied_sweep_comes_first_and_is_never_overwritten(programs: Path, folder: Path) -> None:
    run("doge-ray sweeps copy amazon", programs)
    copied = folder / "sweeps/amazon.yaml"
    assert copied.read_bytes() == (ROOT / "sweeps/amazon.yaml").read_bytes()
    copied.write_text(copied.read_text().replace("split: A", "split: X"))
    assert "data.split='X'" in run("doge-ray sweep amazon --dry-run", programs, status=2)
    assert "there already" in run("doge-ray sweeps copy amazon", programs, status=2)
    assert "kept     sweeps/amazon.yaml" in run("doge-ray sweeps copy table2", programs)
    assert "split: X" in copied.read_text()
    parts = yaml.safe_load((folder / "sweeps/table2.yaml").read_text())["parts"]
    assert all((folder / f"sweeps/{part['sweep']}.yaml").is_file() for part in parts)
    assert "did you mean 'mnli'" in run("doge-ray sweeps copy mnlii", programs, status=2)


def test_a_sweep_is_planned_from_an_empty_folder(programs: Path, folder: Path) -> None:
    project = shlex.quote(str(make_project(folder / "elsewhere")))
    plan = run(f"doge-ray sweep {project} --dry-run storage=../runs", programs)
    assert "plan of tiny" in plan
    assert "trainings at most" in plan
    assert "no sweep named 'nothing'; there are: amazon, " in run(
        "doge-ray sweep nothing", programs, status=2
    )


def test_the_cluster_folder_is_what_a_checkout_would_be(programs: Path, folder: Path) -> None:
    assert "written  cluster" in run("doge-ray cluster copy", programs)
    copied = {
        str(file.relative_to(folder / "cluster")): file.read_bytes()
        for file in (folder / "cluster").rglob("*")
        if file.is_file()
    }
    assert {"cluster.yaml", "cluster.kuberay.yaml", "Dockerfile", "constraints.txt"} <= set(copied)
    assert all((ROOT / name).read_bytes() == data for name, data in copied.items())
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "doge_ray").rglob("*.py")}
    assert modules == {
        name for name in copied if name.startswith("doge_ray/") and name.endswith(".py")
    }
    for name in ("cluster.yaml", "cluster.onprem.yaml"):
        mounts = yaml.safe_load((folder / "cluster" / name).read_text())["file_mounts"]
        sources = [source for source in mounts.values() if not source.startswith("~")]
        assert all((folder / "cluster" / source).exists() for source in sources)
    assert "is there already" in run("doge-ray cluster copy", programs, status=2)


def test_what_the_cluster_folder_builds_is_the_wheel(
    wheel: Path, programs: Path, folder: Path
) -> None:
    run("doge-ray cluster copy", programs)
    assert contents(build(folder / "cluster", "wheel", folder / "again")) == contents(wheel)


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = build(ROOT, "sdist", tmp_path)
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(tmp_path)], check=True)
    source = tmp_path / archive.name.removesuffix(".tar.gz")
    assert contents(build(source, "wheel", tmp_path / "again")) == contents(wheel)


def test_the_wheel_is_small_and_holds_no_tests(wheel: Path) -> None:
    assert wheel.stat().st_size < 500_000
    tops = {name.partition("/")[0] for name in contents(wheel)}
    assert tops == {"doge_ray", f"doge_ray-{VERSION}.dist-info"}


def test_the_version_is_that_of_the_changelog(wheel: Path) -> None:
    headings = [
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    ]
    dated = [line for line in headings if line != "## Unreleased"]
    assert dated[0].startswith(f"## {VERSION} (")
    assert doge_ray.__all__[0] == "__version__"
