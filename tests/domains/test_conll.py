"""A file says by all its lines what a word looks like; nothing in it is dropped for its look."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.domains.conll import read_conll, read_conll2012
from doge_ray.errors import InputError

WORD = st.text(st.sampled_from("#ab-0"), min_size=1, max_size=4)
TAG = st.sampled_from(["O", "B-PER", "I-LOC"])
COMMENT = st.sampled_from(["# text = Ann left", "# a b c O", "#begin a part of it"])
SENTENCES = st.lists(
    st.tuples(
        st.lists(COMMENT, max_size=2),
        st.lists(st.tuples(WORD, TAG), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=6,
)


def written(folder: Path, text: str) -> Path:
    file = folder / "some.txt"
    file.write_text(text)
    return file


@given(SENTENCES, st.sampled_from(["\t", " "]), st.booleans())
def test_every_word_is_there(tmp_path_factory, sentences, separator, marked):
    lines = ["-DOCSTART-", ""] if marked else []
    for comments, words in sentences:
        lines += [*comments, *(f"{word}{separator}{tag}" for word, tag in words), ""]
    file = written(tmp_path_factory.mktemp("conll"), "\n".join(lines))
    read = read_conll(file)
    assert [[*zip(s.words, s.tags, strict=True)] for s in read] == [words for _, words in sentences]


COMMENTED = {
    "two columns": "# newpar\nAnn B-PER\nleft O\n\n# sentence 2\nnow O\n",
    "four columns": "# sent_id = 1\nAnn NNP B-NP B-PER\nleft VBD B-VP O\n\n# id is 2\nnow RB O O\n",
    "three columns": "# id 12ab\nAnn NNP B-PER\nleft VBD O\n\nnow RB O\n",
    "behind the sentence": "Ann B-PER\nleft O\n# sentence 2\n\nnow O\n#end document\n",
    "documents": "#begin document (a)\nAnn B-PER\nleft O\n#end document\nnow O\n#end document\n",
}


@pytest.mark.parametrize("how", COMMENTED)
def test_comments_in_files_without_tabs(tmp_path, how):
    one, two = read_conll(written(tmp_path, COMMENTED[how]))
    assert (one.words, two.words) == (["Ann", "left"], ["now"])


@pytest.mark.parametrize("mark", ["-DOCSTART-", "-DOCSTART- -X- -X- O", "-DOCSTART-\tO"])
def test_a_document_ends_a_sentence(tmp_path, mark):
    one, two = read_conll(written(tmp_path, f"{mark}\nAnn B-PER\n{mark}\n# O\nleft O\n"))
    assert (one.words, two.words) == (["Ann"], ["#", "left"])


REFUSED = {
    "a word with a blank in it": ("Ann B-PER\nNew York B-LOC\n", "line 2: .* 3 columns, most"),
    "a column too few": ("Ann NNP B-PER\nleft VBD O\nnow O\n", "line 3: .* 2 columns, most words"),
    "a wrong tag behind a #": ("Ann\tB-PER\n#Rome\tB_LOC\n", "line 2: .*'B_LOC' is no tag"),
    "one that begins a sentence": ("#Rome\tB_LOC\nAnn\tB-PER\n", "line 1: .*'B_LOC' is no tag"),
    "a comment within a sentence": (
        "Ann O\n# it is late\nleft O\n",
        "line 2: .*; a comment",
    ),
    "a hashtag with a blank in it": ("Ann O\n#New York B-LOC\n", "line 2: .* 3 columns, most"),
    "a hashtag without a tag": ("#Oslo\nAnn O\n", "line 1: .*'#Oslo' is no tag"),
    "a type named O": ("Ann B-PER\nleft I-O\n", "line 2: .*'I-O' names an entity type O"),
    "nothing but comments": ("# one\n# two three\n\n", "holds no sentence"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_word_is_refused(tmp_path, what):
    text, message = REFUSED[what]
    with pytest.raises(InputError, match=rf"some\.txt(, |: ){message}"):
        read_conll(written(tmp_path, text))


def test_a_comment_may_have_as_many_words_as_a_line_has_columns(tmp_path):
    (sentence,) = read_conll(written(tmp_path, "# newpar\n# O\nAnn\tB-PER\nleft\tO\n"))
    assert sentence.words == ["#", "Ann", "left"]  # a tag behind it makes a word


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("#x 0 0 Ann NNP * - - - - (PER) -", "line 2: looks like a word but begins with #"),
        ("bc 0 0 Ann NNP * - - - - (O) -", r"line 2: '\(O\)' names an entity type O"),
    ],
)
def test_2012(tmp_path, line, message):
    text = f"#begin document (bc/x); part 000\n{line}\n#end document\n"
    with pytest.raises(InputError, match=message):
        read_conll2012(written(tmp_path, text))
