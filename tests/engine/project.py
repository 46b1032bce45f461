"""A whole project in a folder, small enough to sweep in seconds: model, data, configuration."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq
import torch
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from doge_ray.command import run_command
from doge_ray.config.schema import SweepConfig
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.search.space import grid
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.seeds import derive_seed

WORDS = [f"w{i}" for i in range(60)]
GOOD, BAD = WORDS[:10], WORDS[10:20]
ROOT = Path(__file__).resolve().parents[2]


def make_project(folder: Path, **settings: object) -> Path:
    """Write model, data and ``sweep.yaml``; returns the YAML's path.

    One trial at a time, and one process that scores: each process more costs the time of its
    imports, which is longer than all that is computed here. A test of what happens side by side
    asks for more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    make_model(folder / "model")
    make_data(folder / "data.jsonl")
    config: dict[str, object] = {
        "name": "tiny",
        "model": str(folder / "model"),
        "storage": str(folder / "runs"),
        "replicates": 1,
        "data": {
            "set": "files",
            "path": str(folder / "data.jsonl"),
            "source_domains": ["red", "green", "blue"],
            "target_domains": ["grey"],
        },
        "train": {"max_epochs": 2, "max_length": 16, "precision": "fp32"},
        "search": {
            "num_trials": 2,
            "learning_rate": [0.01, 0.005],
            "batch_size": [16],
            "sparsity": {"low": 0.2, "high": 0.6},
            "max_concurrent": 1,
        },
        "resources": {"stage_workers": 1},
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(_merged(config, settings)))
    return path


def make_model(folder: Path) -> None:
    """A BERT of 3 layers with 4 heads, and a tokenizer of whole words."""
    torch.manual_seed(0)
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=32,
        )
    ).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    ).save_pretrained(folder)


def make_data(path: Path, rows: int = 120, noise: float = 0.0) -> None:
    """Sentences with good or bad words among words of their domain; noise: wrong labels."""
    draw = random.Random(0)
    with path.open("w") as file:
        for number, domain in enumerate(["red", "green", "blue", "grey"]):
            for row in range(rows):
                label = row % 2
                words = draw.sample((GOOD if label else BAD), 3)
                words += draw.sample(WORDS[20 + 10 * number : 30 + 10 * number], 4)
                draw.shuffle(words)
                if noise and draw.random() < noise:
                    label = 1 - label
                record = {"text": " ".join(words), "label": label, "domain": domain}
                file.write(json.dumps(record) + "\n")


def command(module: str, *arguments: str) -> list[str]:
    """The command line of one of the project's commands."""
    return [sys.executable, "-m", f"doge_ray.{module}", *map(str, arguments)]


def run(
    module: str,
    *arguments: str,
    timeout: float = 600,
    folder: Path = ROOT,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as a user would, in a folder and with environment variables."""
    return subprocess.run(
        command(module, *arguments),
        cwd=folder,
        env=environment() | dict(variables or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_here(
    module: str, *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``run`` within this process, which has loaded already what takes a command seconds.

    Only what starts no Ray: actors of one cluster that this process still refers to have the names
    of the next one's, and letting go of them would end those.
    """
    output, error, code = io.StringIO(), io.StringIO(), 0
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with (
        patch.dict(os.environ, environment() | dict(variables or {}), clear=True),
        patch.object(sys, "argv", [f"doge_ray.{module}", *arguments]),
        redirect_stdout(output),
        redirect_stderr(error),
    ):
        try:
            run_command(import_module(f"doge_ray.{module}").main)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGTERM, on_sigterm)
    return subprocess.CompletedProcess(
        [module, *arguments], code, output.getvalue(), error.getvalue()
    )


def environment() -> dict[str, str]:
    """Without a hub, a cluster, a storage or a tracking server of the machine's own."""
    names = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "DOGE_RAY_STORAGE")
    return {k: v for k, v in os.environ.items() if k not in names} | {"HF_HUB_OFFLINE": "1"}


def every_python_runs(code: str, folder: Path) -> dict[str, str]:
    """Environment variables with which every Python, also Ray's, runs some code as it starts."""
    (folder / "python").mkdir()
    (folder / "python/sitecustomize.py").write_text(code)
    places = [str(folder / "python"), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, places))}


def kill_session(leader: int) -> None:
    """SIGKILL every process of a session: Ray's daemons lead process groups of their own."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                session = os.getsid(int(folder.name))
                if session == leader:
                    os.kill(int(folder.name), signal.SIGKILL)
            except ProcessLookupError:
                continue


def published(folder: Path) -> dict[str, int]:
    """A mark of each published stage's result, by path: another one if it was computed again."""
    store = folder / "runs" / "store"
    return {
        str(path.parent.relative_to(store)): _mark(path)
        for path in store.glob("*/*/published.json")
    }


def table(folder: Path) -> list[dict[str, object]]:
    """The rows of ``trials.parquet``."""
    return pq.read_table(folder / "runs/tiny/trials.parquet").to_pylist()


def dense_trial(config: SweepConfig, trial: int = 0, replicate: int = 0) -> Assignment:
    """A dense trial of a grid, or a replicate of it."""
    point = grid("dense", config.search, config.seed)[trial]
    names = ("replicate", replicate) if replicate else ("search",)
    return Assignment("dense", trial, replicate, derive_seed(config.seed, *names), **point)


def block(config: SweepConfig, folder: Path, assignment: Assignment) -> None:
    """Let the folder of a trial's stage be a link that leads nowhere: nothing can be written."""
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    stage = Pipeline(prepared.graph, prepared.store).trial(assignment).training
    blocked = folder / "runs/store" / stage.path
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.symlink_to(folder / "nowhere")


def _mark(path: Path) -> int:
    """The result with its seconds: discarding a loser's weights rewrites the file, not these."""
    record = json.loads(path.read_text())["result"]
    return hash(json.dumps(record, sort_keys=True)) if "seconds" in record else 0


def _merged(base: dict[str, object], extra: dict[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in extra.items():
        old = merged.get(key)
        nested = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if nested else value  # type: ignore[arg-type]
    return merged
