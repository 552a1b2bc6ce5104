"""Samples: a dataset directory, a tokenizer and a length in; rows that fit, and counts of what was cut or left out, out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from heedful.conversation import Conversation
from heedful.dataset import load_split
from heedful.errors import TrainingError
from heedful.modeling.chat_template import Sample
from heedful.modeling.protect import Tokenizer
from heedful.modeling.trimming import Trimmed, trim

MORE = "import more conversations, then heedful dataset build"


class Origin(NamedTuple):
    """Where a training row came from: row `row`, counted from 1, of the train.jsonl of `dataset`."""

    dataset: str
    row: int


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows of the two splits that training may see. `trimmed` rows lost old turns, `dropped` ones did not fit or hold no answer.

    `origins` are those of the training rows, in their order.
    """

    train: list[Sample]
    origins: list[Origin]
    validation: list[Sample]
    trimmed: int
    dropped: int


def load_samples(dataset_dir: Path, tokenizer: Tokenizer, max_length: int) -> Samples:
    """Raises TrainingError when nothing is left to train on, or to validate with."""
    train, validation = (
        trim_all(load_split(dataset_dir, "train"), tokenizer, max_length),
        trim_all(load_split(dataset_dir, "validation"), tokenizer, max_length),
    )
    everything = [*train, *validation]
    samples = Samples(
        fitting(train),
        [Origin(dataset_dir.name, row) for row, one in enumerate(train, start=1) if one.sample is not None],
        fitting(validation),
        trimmed=sum(one.sample is not None and one.removed > 0 for one in everything),
        dropped=sum(one.sample is None for one in everything),
    )
    for name, rows, given in (("train", samples.train, train), ("validation", samples.validation, validation)):
        if not rows:
            text = f"the {name} split has {len(given)} conversations, none of them with an answer that fits {max_length} tokens"
            raise TrainingError(f"dataset {dataset_dir.name}: {text}; at least 1 is needed", MORE)
    return samples


def trim_all(conversations: Sequence[Conversation], tokenizer: Tokenizer, max_length: int) -> list[Trimmed]:
    return [trim(tokenizer, conversation, max_length) for conversation in conversations]


def fitting(rows: Sequence[Trimmed]) -> list[Sample]:
    return [row.sample for row in rows if row.sample is not None]
