"""The paper's AMAZON data (section 4.1): product reviews, three-way sentiment, seven categories.

Every category has 5,400 / 600 reviews to train on and to select by; a target category is tested
on its 6,000. The division into sources and targets is the paper's table 1.
"""

from __future__ import annotations

from pathlib import Path

from doge_ray.config.data import AmazonData
from doge_ray.domains.cache import cache_folder, fetch
from doge_ray.domains.labelled import Corpus, LabelledText
from doge_ray.domains.tabular import labelled_text, read_records

CATEGORIES = (
    "All_Beauty",
    "Automotive",
    "Digital_Music",
    "Gift_Cards",
    "Industrial_and_Scientific",
    "Movies_and_TV",
    "Software",
)
SOURCES = {
    "A": ("All_Beauty", "Automotive", "Digital_Music", "Gift_Cards"),
    "B": ("All_Beauty", "Industrial_and_Scientific", "Movies_and_TV", "Software"),
    "C": ("Digital_Music", "Gift_Cards", "Movies_and_TV", "Software"),
}
LABELS = ("negative", "neutral", "positive")
URL = (
    "https://raw.githubusercontent.com/Ylily1015/DogeTickets/"
    "20227e582b42d92580c6161a1e563ccd1c1cfbb7/datasets/amazon"
)


def load(data: AmazonData) -> Corpus:
    """The split ``data.split`` from ``data.root``, or from the authors' release.

    Raises:
        InputError: a file is missing, malformed, or can't be fetched.
    """
    sources = SOURCES[data.split]
    targets = tuple(category for category in CATEGORIES if category not in sources)
    return Corpus(
        LABELS,
        train={domain: _read(data.root, domain, "train") for domain in sources},
        dev={domain: _read(data.root, domain, "dev") for domain in sources},
        test={domain: _read(data.root, domain, "test") for domain in targets},
    )


def _read(root: str | None, domain: str, split: str) -> LabelledText:
    name = f"{domain}/{split}.json"
    file = _fetched(name) if root is None else Path(root) / name
    codes = {str(code): code for code in range(len(LABELS))}
    records = read_records(file, ("text", "label"))
    return labelled_text(records, codes, text="text", text_pair=None, label="label")


def _fetched(name: str) -> Path:
    target = cache_folder() / "amazon" / name
    remedy = "or get the data another way and set data.root to its folder of categories"
    fetch(f"{URL}/{name}", target, _checksums()[name], remedy)
    return target


def _checksums() -> dict[str, str]:
    lines = Path(__file__).with_name("amazon.sha256").read_text().splitlines()
    return {name: sha256 for sha256, name in map(str.split, lines)}
