"""Strategies: valid documents with a few parts spoilt, and values that nobody expects."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

NAMES = (
    *(
        "",
        ".",
        "..",
        "../x",
        "../../published",
        "@HERE@/../outside",
        "/proc/nowhere/x",
        "~",
        "~no/x",
    ),
    *(
        "a/../../b",
        "a\0b",
        "a\nb",
        "n" * 300,
        "p/" * 3000,
        "\ud83d",
        "é\u202eλ",
        "-",
        "*",
        "%s{key}",
    ),
    *(
        "s3://KEY:hush@bucket/x",
        "file:///proc/x",
        "s3://b/x?secret_key=hush",
        "NaN",
        "1e999",
        "con",
    ),
    *("package:no/../..", "package:os/x", "=", "a: [", "store", "mlflow.db", "a:b=c", "&a [*a]"),
)
NUMBERS = (0, -1, 1, 3, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e-320, 1e308)
NUMBERS += (float("inf"), float("-inf"), float("nan"))
# Written by ``as_json`` as what no JSON library writes.
MARKS = {
    '"@MANY_DIGITS@"': "9" * 5000,
    '"@DEEP@"': "[" * 30_000 + "]" * 30_000,
    '"@HUGE@"': "1e99999",
}

_plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(NAMES),
    st.sampled_from(NUMBERS),
    st.sampled_from([mark.strip('"') for mark in MARKS]),
)
junk = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def spoilt(draw: st.DrawFn, trees: st.SearchStrategy[Any], most: int = 3) -> Any:
    """A tree of JSON values of which up to ``most`` parts are replaced, removed or added to."""
    root = [copy.deepcopy(draw(trees))]
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(root))
        inside, key = places[draw(st.integers(0, len(places) - 1))]
        what = draw(st.sampled_from(("replace", "remove", "add", "repeat")))
        if what == "replace" or inside is root:
            inside[key] = draw(junk)
        elif what == "remove":
            del inside[key]
        elif isinstance(inside, list):
            inside.insert(0, draw(junk) if what == "add" else copy.deepcopy(inside[key]))
        else:
            name = draw(st.sampled_from(NAMES) | st.text(max_size=4))
            inside[name] = draw(junk) if what == "add" else copy.deepcopy(inside[key])
    return root[0]


def _places(inside: Any) -> Any:
    """Every value of a tree, as the container and its key or index there."""
    for key, value in inside.items() if isinstance(inside, dict) else enumerate(inside):
        yield inside, key
        if isinstance(value, dict | list):
            yield from _places(value)


@st.composite
def damaged(draw: st.DrawFn, contents: st.SearchStrategy[bytes], words: tuple[bytes, ...]) -> bytes:
    """Bytes with up to four places cut, overwritten, repeated or with ``words`` put between."""
    content = draw(contents)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from((0, 1, 2, 8, 100, len(content)))))
        new = draw(
            st.sampled_from((b"", *words)) | st.binary(max_size=8) | st.just(content[start:end] * 2)
        )
        content = content[:start] + new + content[end:]
    return content


def as_json(tree: Any) -> str:
    """A tree as JSON text, its marks replaced by what they stand for."""
    text = json.dumps(tree)
    for mark, meaning in MARKS.items():
        text = text.replace(mark, meaning)
    return text
