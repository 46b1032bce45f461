"""The data sets a sweep can name, each with its settings."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from doge_ray.config.places import LocalPath
from doge_ray.config.section import Section, setting
from doge_ray.errors import one_form

Name = Annotated[str, AfterValidator(one_form)]

Task = Literal["classification", "tagging"]
"""What a corpus is labelled for: a class for each text, or an entity tag for each word."""


def _which() -> Any:
    return setting(..., "which data set", was="task")


class DataSection(Section):
    """What every data set has.

    A data set is a section with a ``loader``, the function that makes the corpus of the section:
    ``package.module:function``, imported when data are loaded. The section's ``set`` is its name.
    """

    loader: ClassVar[str]
    set: str = _which()
    limit: int | None = setting(
        None,
        "rows (texts, or sentences with tags) kept per domain and split, a fixed random subset",
        unit="rows",
        ge=3,
    )


class AmazonData(DataSection):
    """The paper's AMAZON reviews: three-way sentiment over seven product categories."""

    loader = "doge_ray.domains.amazon:load"
    set: Literal["amazon"] = _which()
    split: Literal["A", "B", "C"] = setting(
        "A", "the paper's division into source and target categories", paper="A, B, C"
    )
    root: LocalPath | None = setting(
        None,
        "folder with <Category>/{train,dev,test}.json; unset: fetched once into the cache",
        place=True,
    )


class MnliData(DataSection):
    """The paper's MNLI: does one sentence follow from another? Ten genres of text and speech."""

    loader = "doge_ray.domains.mnli:load"
    set: Literal["mnli"] = _which()
    source_domains: tuple[Name, ...] = setting(
        ("fiction", "government", "slate", "telephone", "travel"),
        "genres to train on, or to draw from with num_sources",
        min_length=1,
    )
    target_domains: tuple[Name, ...] = setting(
        ("facetoface", "letters", "nineeleven", "oup", "verbatim"),
        "genres never seen in training",
        min_length=1,
    )
    num_sources: int | None = setting(
        None, "train on that many of source_domains; unset: on all", paper="5, 4, 3", ge=1
    )
    draw: int = setting(
        0,
        "which of all choices of num_sources genres, in one fixed shuffled order: different draws "
        "are different choices until all are used, then they begin again",
        paper="unnamed",
        ge=0,
    )
    root: LocalPath | None = setting(
        None,
        "folder with <genre>/{train,dev,test}.json as the authors released; unset: the hub",
        place=True,
    )
    hub: LocalPath = setting(
        "nyu-mll/multi_nli",
        "data set on the Hugging Face hub, or a folder that holds a copy of it",
        place=True,
    )

    @model_validator(mode="after")
    def _enough(self) -> MnliData:
        most = len(self.source_domains)
        if self.num_sources is not None and self.num_sources > most:
            raise ValueError(
                f"data.num_sources={self.num_sources} is more than the {most} source_domains "
                "there are; lower it or name more"
            )
        return self


class QuickstartData(DataSection):
    """Short sentences of four domains with human valence ratings, cut into three classes."""

    loader = "doge_ray.domains.quickstart:load"
    set: Literal["quickstart"] = _which()
    source_domains: tuple[Name, ...] = setting(
        ("tweets", "movies", "editorials"), "domains to train on", min_length=1
    )
    target_domains: tuple[Name, ...] = setting(
        ("products",), "domains never seen in training", min_length=1
    )
    root: LocalPath | None = setting(
        None,
        "folder with the *_GroundTruth.txt files; unset: fetched once into the cache",
        place=True,
    )


class FilesData(DataSection):
    """Your own labelled text with a domain column, or one folder per domain."""

    loader = "doge_ray.domains.files:load"
    set: Literal["files"] = _which()
    path: LocalPath = setting(
        ...,
        "a .jsonl, .csv or .parquet file with a domain column, a folder of them named "
        "{train,dev,test}.*, or a folder per domain holding {train,dev,test}.*",
        place=True,
    )
    text: str = setting("text", "column with the text")
    text_pair: str | None = setting(None, "column with the second text, for pairs")
    label: str = setting("label", "column with the label, a string or an integer")
    domain: str = setting("domain", "column with the domain; not read with a folder per domain")
    source_domains: tuple[Name, ...] = setting(..., "domains to train on", min_length=1)
    target_domains: tuple[Name, ...] = setting(..., "domains never seen in training", min_length=1)
    dev_fraction: float = setting(
        0.1, "share of a source domain held out where it has no dev split", gt=0, lt=0.5
    )
    max_rows: int = setting(
        10_000_000,
        "rows of a file beyond which it is refused: all of them are held in memory",
        unit="rows",
        ge=1,
        extensible=True,
    )


class OntonotesData(DataSection):
    """Named entities: OntoNotes by genre, as in the paper, or any CoNLL files by domain."""

    loader = "doge_ray.domains.ontonotes:load"
    set: Literal["ontonotes"] = _which()
    root: LocalPath = setting(
        ...,
        "folder with <domain>/{train,dev,test}.txt, .conll or .json, or with CoNLL-2012 files "
        "(*_gold_conll) below folders train, development and test",
        place=True,
    )
    source_domains: tuple[Name, ...] = setting(
        ("bc", "bn", "mz", "nw"), "domains to train on", min_length=1, paper="bc, bn, mz, nw"
    )
    target_domains: tuple[Name, ...] = setting(
        ("tc", "wb"), "domains never seen in training", min_length=1, paper="tc, wb"
    )
    scheme: Literal["auto", "iob1", "iob2", "iobes"] = setting(
        "auto", "how the files tag entities; auto: told from the tags of all named domains"
    )
    types: tuple[str, ...] | None = setting(
        None,
        "entity types to learn, all others become O; unset: those that every named domain has",
        paper="all 18",
        min_length=1,
    )


_SECTIONS = (AmazonData, MnliData, QuickstartData, FilesData, OntonotesData)
DATA_SETS = {str(*get_args(each.model_fields["set"].annotation)): each for each in _SECTIONS}
"""The section of each data set, by the name that ``data.set`` gives it."""

if TYPE_CHECKING:
    DataConfig = DataSection
else:
    DataConfig = Annotated[reduce(or_, _SECTIONS), Field(discriminator="set")]
