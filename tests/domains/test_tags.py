from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from doge_ray.domains.tags import Scheme, Sentence, detect_scheme, find_break, is_tag, to_iob2
from doge_ray.errors import InputError

IN_ALL = {
    "iob2": "B-PER I-PER O B-LOC B-LOC B-PER B-ORG I-ORG I-ORG",
    "iob1": "I-PER I-PER O I-LOC B-LOC I-PER I-ORG I-ORG I-ORG",
    "iobes": "B-PER E-PER O S-LOC S-LOC S-PER B-ORG I-ORG E-ORG",
}


def sentence(tags: str) -> Sentence:
    parts = tags.split()
    lines = range(7, 7 + len(parts))
    return Sentence(Path("some.txt"), lines, [f"word{n}" for n in lines], parts)


def written(entities: list[tuple[str, int]], scheme: str) -> list[str]:
    """Entities and gaps (type O) of given lengths, one after the other, as tags."""
    tags: list[str] = []
    for kind, length in entities:
        touching = bool(tags) and tags[-1][2:] == kind
        if kind == "O":
            tags += ["O"] * length
        elif scheme == "iobes":
            inner = [f"I-{kind}"] * (length - 2)
            tags += [f"S-{kind}"] if length == 1 else [f"B-{kind}", *inner, f"E-{kind}"]
        else:
            first = "B" if scheme == "iob2" or touching else "I"
            tags += [f"{first}-{kind}", *[f"I-{kind}"] * (length - 1)]
    return tags


ENTITIES = st.lists(
    st.tuples(st.sampled_from(["O", "PER", "LOC", "WORK_OF-ART"]), st.integers(1, 4)), min_size=1
)


@pytest.mark.parametrize("scheme", IN_ALL)
def test_each_scheme_says_the_same(scheme: Scheme) -> None:
    one = sentence(IN_ALL[scheme])
    assert detect_scheme([one]) == scheme
    assert to_iob2(one, scheme) == IN_ALL["iob2"].split()


@pytest.mark.parametrize("scheme", IN_ALL)
@given(entities=ENTITIES)
def test_any_entities_come_through_any_scheme(scheme: Scheme, entities) -> None:
    tags = written(entities, scheme)
    iob2 = to_iob2(sentence(" ".join(tags)), scheme)
    assert iob2 == written(entities, "iob2")
    ends, found = 0, []
    for kind, length in entities:
        found += [(kind, ends, ends + length - 1)] if kind != "O" else []
        ends += length
    assert get_entities(iob2) == found


def test_the_scheme_is_that_of_the_whole_data_set() -> None:
    both, plain = sentence("B-PER I-PER O"), sentence("O O")
    assert detect_scheme([plain]) == "iob2"
    assert detect_scheme([both, plain]) == "iob2"
    assert detect_scheme([sentence("I-PER O"), sentence("I-LOC B-LOC")]) == "iob1"
    assert detect_scheme([sentence("I-PER"), sentence("O S-LOC")]) == "iobes"
    # Whole in neither: said to be the usual one, so that the break is shown in its terms.
    assert detect_scheme([sentence("B-PER O"), sentence("O I-PER")]) == "iob2"


@pytest.mark.parametrize("scheme", IN_ALL)
@pytest.mark.parametrize("wrong", ["E-PER O", "O B-LOC", "O I-LOC O", "S-LOC I-LOC"])
def test_one_wrong_tag_does_not_change_the_scheme(scheme: Scheme, wrong: str) -> None:
    assert detect_scheme([*[sentence(IN_ALL[scheme])] * 3, sentence(wrong)]) == scheme


BROKEN = {
    "iob2": {
        "O I-PER": (1, "IOB2 starts one with B-PER"),
        "B-LOC I-PER": (1, "no PER stands before"),
        "B-LOC E-LOC": (1, "IOB2 has B-, I- and O only"),
    },
    "iob1": {
        "O B-PER": (1, "IOB1 starts one with I-PER"),
        "I-LOC B-PER": (1, "no PER ends before"),
        "S-LOC": (0, "IOB1 has B-, I- and O only"),
    },
    "iobes": {
        "O B-PER O": (1, "does not end: IOBES ends it with E-PER"),
        "B-PER I-PER": (1, "does not end"),
        "B-PER E-LOC": (0, "does not end"),
        "O E-PER": (1, "IOBES starts one with B- or S-"),
        "S-PER I-PER E-PER": (1, "no PER stands before"),
    },
}


@pytest.mark.parametrize(
    ("scheme", "tags"), [(scheme, tags) for scheme, cases in BROKEN.items() for tags in cases]
)
def test_a_broken_sequence_is_refused_with_its_line(scheme: Scheme, tags: str) -> None:
    position, reason = BROKEN[scheme][tags]
    broken = find_break(tags.split(), scheme)
    assert broken is not None
    assert broken.position == position
    place = f"some.txt, line {7 + position}: 'word{7 + position}' is tagged .*{reason}.*data.scheme"
    with pytest.raises(InputError, match=place):
        to_iob2(sentence(tags), scheme)


@pytest.mark.parametrize("text", ["O", "B-PER", "I-WORK_OF_ART", "S-x", "E--"])
def test_tags(text: str) -> None:
    assert is_tag(text)


@pytest.mark.parametrize("text", ["", "B", "B-", "o", "X-PER", "PER", "0"])
def test_what_is_no_tag(text: str) -> None:
    assert not is_tag(text)
