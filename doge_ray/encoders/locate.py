"""From a model's name to a local folder that holds it. Loads neither torch nor transformers."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from doge_ray.config.places import check_path
from doge_ray.encoders.families import check_supported
from doge_ray.errors import InputError
from doge_ray.shell import command_line

EXPECTED = "expected a folder with config.json and model.safetensors"
CONFIG_AND_WEIGHTS = ("config.json", "*.safetensors", "*.safetensors.index.json")
TOKENIZER = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "bpe.codes",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
)
"""File names at the top of a model folder that decide what the model computes."""


def find_model(name: str) -> Path:
    """The local folder of a model.

    Args:
        name: ``package:NAME/FOLDER`` for a folder inside an installed package, a local folder, or
            the name of a model on the Hugging Face hub, which is fetched into the hub's cache.

    Raises:
        InputError: there is no such package, folder or hub model, the hub cannot be reached, or
            the folder holds no configuration of a supported architecture or no safetensors
            weights.
    """
    try:
        check_path(name)
    except ValueError as error:
        raise InputError(f"model={name!r} {error}") from None
    if name.startswith("package:"):
        folder = _in_package(name)
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser().resolve()
    else:
        folder = _from_hub(name)
    _check_folder(folder)
    return folder


def fingerprint(folder: Path) -> str:
    """A SHA-256 over the configuration, weights and tokenizer files of a model folder.

    Renaming or touching the folder, or changing its other files, does not change it.
    """
    files = {file for pattern in (*CONFIG_AND_WEIGHTS, *TOKENIZER) for file in folder.glob(pattern)}
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        with file.open("rb") as content:
            digest.update(file.name.encode())
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def require_weights(folder: Path) -> None:
    """Refuse a folder without safetensors files.

    Raises:
        InputError: naming the folder, what is expected, and how to convert other weights.
    """
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} is a model folder without weights: {EXPECTED}. Pickled weights "
            "(pytorch_model.bin) can run code and are not read; convert them with "
            "AutoModel.from_pretrained(...).save_pretrained(...)"
        )


def _check_folder(folder: Path) -> None:
    file = folder / "config.json"
    if not file.is_file():
        raise InputError(f"{folder} has no config.json: {EXPECTED}")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    check_supported(config.get("model_type") if isinstance(config, dict) else None)
    require_weights(folder)


def _in_package(name: str) -> Path:
    package, _, inside = name.removeprefix("package:").partition("/")
    spec = find_spec(package) if package.isidentifier() and package != "__main__" else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"model={name!r}: the package {package!r} is not installed; "
            f"{command_line('pip', 'install', package.replace('_', '-'))}, or name another model"
        )
    folder = Path(spec.submodule_search_locations[0]) / inside
    leaves = Path(inside).is_absolute() or ".." in Path(inside).parts
    if leaves or not folder.is_dir():
        raise InputError(f"model={name!r}: the package {package!r} has no folder {inside!r}")
    return folder


def _from_hub(name: str) -> Path:
    try:
        folder = snapshot_download(
            name,
            allow_patterns=[*CONFIG_AND_WEIGHTS, *TOKENIZER],
            ignore_patterns=["*/*"],  # copies for other runtimes
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise InputError(
            f"model={name!r} is no local folder, and the Hugging Face hub did not give it: "
            f"{str(error).splitlines()[0]} Check the name and the network, or download the model "
            "and name its folder"
        ) from error
    return Path(folder)
