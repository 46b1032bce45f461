"""The small files below a folder, read in one go.

An index keeps the text of each with its stamp: size and time of change. It is believed as far as a
listing tells the same stamps, and what it lacks is read; so it is never the truth by itself, and
one that is lost, damaged or outdated costs time and nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from doge_ray.engine.store.storage import Stamp, Storage
from doge_ray.errors import DAMAGED

AT_ONCE = 16
"""Files that are read at a time: each costs a bucket's answer."""
STILL = 2_000_000_000
"""Nanoseconds that a file must be older than the youngest: in less, it could change and have the
same stamp, as some file systems and buckets tell the time in whole seconds."""

_SCHEMA = pa.schema(
    {"path": pa.string(), "size": pa.int64(), "changed": pa.int64(), "text": pa.string()}
)


def read_all(storage: Storage, stamps: Mapping[str, Stamp], index: str) -> dict[str, str]:
    """The texts of files, by path.

    Args:
        storage: that holds them.
        stamps: what a listing tells of them, by path.
        index: path of their index, which is written where it lacks something.
    """
    known = {
        path: text
        for path, (stamp, text) in _read(storage, index).items()
        if stamps.get(path) == stamp
    }
    missing = stamps.keys() - known.keys()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        read = dict(zip(missing, pool.map(lambda path: _text(storage, path), missing), strict=True))
    texts = known | {path: text for path, text in read.items() if text is not None}
    if missing:
        _write(storage, index, stamps, texts)
    return {path: texts[path] for path in sorted(texts)}


def _text(storage: Storage, path: str) -> str | None:
    """None where it is gone by now; what is no text says nothing."""
    try:
        return storage.read_text(path)
    except UnicodeDecodeError:
        return ""


def _read(storage: Storage, index: str) -> dict[str, tuple[Stamp, str]]:
    try:
        data = storage.read_bytes(index)
        columns = (
            {} if data is None else pq.read_table(io.BytesIO(data), schema=_SCHEMA).to_pydict()
        )
        rows = zip(*(columns.get(name, []) for name in _SCHEMA.names), strict=True)
        return {path: (Stamp(size, changed), text) for path, size, changed, text in rows}
    except (pa.ArrowException, *DAMAGED):
        return {}


def _write(
    storage: Storage, index: str, stamps: Mapping[str, Stamp], texts: Mapping[str, str]
) -> None:
    youngest = max(stamp.changed for stamp in stamps.values())
    still = [path for path in texts if stamps[path].changed < youngest - STILL]
    columns = {
        "path": still,
        "size": [stamps[path].size for path in still],
        "changed": [stamps[path].changed for path in still],
        "text": [texts[path] for path in still],
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=_SCHEMA), buffer, compression="zstd")
    storage.write_bytes(index, buffer.getvalue())
