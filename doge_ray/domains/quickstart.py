"""The quickstart's corpus: sentences of four domains with human ratings of their sentiment.

Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media
Text", ICWSM 2014: tweets, movie reviews, product reviews and newspaper editorials; a sentence's
valence is the mean of 20 people's ratings in [-4, 4]. It comes inside the source archive of the
Python package vaderSentiment (MIT license).
"""

from __future__ import annotations

import html
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from doge_ray.atomic import write_file
from doge_ray.config.data import QuickstartData
from doge_ray.domains.cache import cache_folder
from doge_ray.domains.checks import check_domains
from doge_ray.domains.labelled import Corpus, LabelledText
from doge_ray.errors import InputError
from doge_ray.seeds import derive_seed

FILES = {
    "tweets": "tweets_GroundTruth.txt",
    "movies": "movieReviewSnippets_GroundTruth.txt",
    "products": "amazonReviewSnippets_GroundTruth.txt",
    "editorials": "nytEditorialSnippets_GroundTruth.txt",
}
LABELS = ("negative", "neutral", "positive")
NEUTRAL = 0.5  # largest |valence| that counts as neutral
DEV_FRACTION = 0.1  # of a source domain's documents

REQUIREMENT = (
    "vaderSentiment==3.3.2 "
    "--hash=sha256:5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
)
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
REMEDY = "set data.root to a folder with the four *_GroundTruth.txt files"


def load(data: QuickstartData) -> Corpus:
    """The four-domain corpus from ``data.root``, or from the package registry.

    A source domain's dev split is a tenth of its documents, so that no review or editorial has
    sentences on both sides; a target is tested on all its sentences.

    Raises:
        InputError: a domain is unknown, a file is missing or malformed, or can't be fetched.
    """
    check_domains(data.source_domains, data.target_domains, FILES, "the quickstart corpus")
    root = _fetched() if data.root is None else Path(data.root)
    train, dev = {}, {}
    for domain in data.source_domains:
        text, documents = _read(root / FILES[domain])
        held_out = np.isin(documents, _dev_documents(domain, documents))
        train[domain] = text.take(np.flatnonzero(~held_out))
        dev[domain] = text.take(np.flatnonzero(held_out))
    test = {domain: _read(root / FILES[domain])[0] for domain in data.target_domains}
    return Corpus(LABELS, train, dev, test)


def _dev_documents(domain: str, documents: list[str]) -> list[str]:
    names = sorted(set(documents))
    order = np.random.default_rng(derive_seed(0, "dev", domain)).permutation(len(names))
    return [names[index] for index in order[: round(DEV_FRACTION * len(names))]]


def _read(file: Path) -> tuple[LabelledText, list[str]]:
    """The sentences of one domain, and the document each stands in."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} could not be read ({error}); {REMEDY}") from error
    rows = [_sentence(line, f"{file}, line {number}") for number, line in enumerate(lines, 1)]
    documents = [document for document, _, _ in rows]
    texts = tuple(text for _, _, text in rows)
    return LabelledText(texts, None, tuple(_label(valence) for _, valence, _ in rows)), documents


def _sentence(line: str, place: str) -> tuple[str, float, str]:
    """Document, valence and text; the id is the document's number, or DOCUMENT_SENTENCE."""
    try:
        identity, valence, text = line.split("\t")
        if not text.strip():
            raise ValueError("the text is empty")
        # The editorials are escaped twice: &amp;amp;
        plain = html.unescape(html.unescape(text)).strip()
        return identity.partition("_")[0], float(valence), plain
    except ValueError as error:
        raise InputError(
            f"{place}: {line[:40]!r} is not id, valence and text with tabs between ({error}); "
            "restore the published file"
        ) from error


def _label(valence: float) -> int:
    return 1 if abs(valence) <= NEUTRAL else 2 if valence > 0 else 0


def _fetched() -> Path:
    folder = cache_folder() / "quickstart"
    if not all((folder / name).is_file() for name in FILES.values()):
        with TemporaryDirectory() as scratch:
            _extract(_download(Path(scratch)), folder)
    return folder


def _download(folder: Path) -> Path:
    """The source archive, by pip: it knows the user's registry, proxy and credentials."""
    requirements = folder / "requirements.txt"
    requirements.write_text(REQUIREMENT)
    options = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--no-input"]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(requirements)]
    run = subprocess.run([*command, "--dest", str(folder)], capture_output=True, text=True)
    if run.returncode:
        reason = (run.stderr.strip() or "no message").splitlines()[-1]
        raise InputError(f"pip could not fetch vaderSentiment 3.3.2 ({reason}); {REMEDY}")
    return next(folder.glob("*.tar.gz"))


def _extract(archive: Path, folder: Path) -> None:
    """Only the four files, by their exact names; the hash fixes what the archive holds."""
    with tarfile.open(archive) as outer, tarfile.open(fileobj=outer.extractfile(ARCHIVE)) as inner:
        for name in FILES.values():
            member = inner.extractfile(f"hutto_ICWSM_2014/{name}")
            assert member is not None
            write_file(folder / name, member.read())
