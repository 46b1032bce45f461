"""The data of a sweep as tokens, made once."""

from __future__ import annotations

from transformers import PreTrainedConfig

from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.domains.labelled import Corpus
from doge_ray.encoders.families import family_of
from doge_ray.encoders.tokenizer import Reader
from doge_ray.engine.store import StageStore
from doge_ray.engine.work.graph import Graph
from doge_ray.errors import InputError


def encode_once(corpus: Corpus, reader: Reader, graph: Graph, store: StageStore) -> Encoded:
    """The tokenised corpus, from the store if it is there.

    Args:
        corpus: what to tokenise.
        reader: of the pretrained model.
        graph: names the stage, and says at how many tokens texts are cut.
        store: where the result lies.

    Raises:
        InputError: texts would be longer than the model reads, or hold what it cannot read.
    """
    train = graph.config.train
    reader.check_marks(corpus.is_of_pairs)
    _check_length(train.max_length, reader.config)
    if store.result(graph.encoding) is None:
        store.put(
            graph.encoding,
            {},
            lambda folder: encode(
                corpus, reader.tokenizer, train.max_length, folder, train.long_sentences
            ),
        )
    data = open_encoded(store.files(graph.encoding))
    for split in (data.train, data.dev, data.test):
        reader.check_tokens(split.tokens)
    return data


def _check_length(length: int, config: PreTrainedConfig) -> None:
    longest = family_of(config).longest_input(config)
    if longest is not None and length > longest:
        raise InputError(
            f"train.max_length={length} is more than the {longest} positions of the model; "
            "choose that or less"
        )
