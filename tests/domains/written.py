"""Small labelled files in every format."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from doge_ray.config import FilesData

Row = dict[str, object]


def rows(*domains: str, count: int = 20, split: str = "") -> list[Row]:
    return [
        {"text": f"{domain} {split}{n}, so", "label": ("no", "yes")[n % 2], "domain": domain}
        for domain in domains
        for n in range(count)
    ]


def write(file: Path, content: list[Row]) -> Path:
    file.parent.mkdir(exist_ok=True, parents=True)
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(content), file)
    elif file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, content[0])
            writer.writeheader()
            writer.writerows(content)
    else:
        file.write_text("\n".join(map(json.dumps, content)) + "\n")
    return file


def data(path: Path, **settings: object) -> FilesData:
    domains = {"source_domains": ("books", "tools"), "target_domains": ("games",)}
    return FilesData(set="files", path=str(path), **{**domains, **settings})


SUFFIXES = [".jsonl", ".json", ".csv", ".parquet"]
DOMAINS = ("books", "tools", "games")
