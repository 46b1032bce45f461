"""Input without end is refused while it is still small."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from doge_ray.config import load_config
from doge_ray.domains import tabular
from doge_ray.domains.conll import read_conll
from doge_ray.domains.corpus import load_corpus
from doge_ray.errors import InputError
from tests.domains.written import DOMAINS, data, rows, write


def columns(count: int) -> pa.Table:
    """Equal rows: as Parquet they take next to nothing."""
    row = {"text": "the same", "label": "no", "domain": "books"}
    return pa.table({name: pa.repeat(value, count) for name, value in row.items()})


def test_parquet_of_many_equal_rows_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "all.parquet"
    with pq.ParquetWriter(file, columns(1).schema, compression="zstd") as writer:
        for _ in range(12):
            writer.write_table(columns(1_000_000))
    assert file.stat().st_size < 1 << 20
    program = (
        "from tests.domains.test_limits import *; import sys\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))\n"
        "load_corpus(data(Path(sys.argv[1])))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=False
    )
    assert "has more than 10,000,000 rows" in ended.stderr
    assert "raise data.max_rows" in ended.stderr


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_the_limit_is_a_setting(tmp_path: Path, suffix: str) -> None:
    file = write(tmp_path / f"all{suffix}", rows(*DOMAINS))
    with pytest.raises(InputError, match="has more than 59 rows"):
        load_corpus(data(file, max_rows=59))
    load_corpus(data(file, max_rows=60))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_text_without_end(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "LONGEST_TEXT", 1 << 20)
    content = rows(*DOMAINS, count=2)
    content[3]["text"] = "w " * (1 << 19) + "w"
    with pytest.raises(InputError, match=r"all\.\w+(, line [45])?: longer than 1 MiB"):
        load_corpus(data(write(tmp_path / f"all{suffix}", content)))


def test_a_line_that_never_ends(tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    with file.open("w") as end:
        end.write(json.dumps(rows("books", count=1)[0]) + "\n[")
        end.truncate(1 << 32)  # a hole of 4 GiB, which takes no room on the disk
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="line 2: longer than 10 MiB"):
        load_corpus(data(file))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 500 << 10  # KiB
    (tmp_path / "some.txt").write_text("Ann O\n" + "w" * (11 << 20) + " O\n")
    with pytest.raises(InputError, match="line 2: longer than 10 MiB"):
        read_conll(tmp_path / "some.txt")


def test_a_sweep_file_of_many_megabytes(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("model: a\n" + "# b\n" * 300_000)
    with pytest.raises(InputError, match=r"mine\.yaml: larger than 1 MiB, so it is no sweep's"):
        load_config(str(tmp_path / "mine.yaml"))
