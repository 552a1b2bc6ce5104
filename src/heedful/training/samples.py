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
from heedful.training.round import Round

MORE = "import more conversations, then heedful dataset build"


class Origin(NamedTuple):
    """Where a training row came from: row `row`, counted from 1, of the train.jsonl of `dataset`."""

    dataset: str
    row: int


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows of the two splits that training may see. `trimmed` rows lost old turns, `dropped` ones did not fit or hold no answer.

    `origins` are those of the training rows, in their order. The last `replayed` of these were learned before, as were `known` rows
    of the dataset in all.
    """

    train: list[Sample]
    origins: list[Origin]
    validation: list[Sample]
    trimmed: int
    dropped: int
    replayed: int = 0
    known: int = 0


def load_samples(dataset_dir: Path, tokenizer: Tokenizer, max_length: int, part: Round | None = None) -> Samples:
    """All of the dataset, or the lines of a round. Raises TrainingError when nothing is left to train on, or to validate with."""
    offered = load_split(dataset_dir, "train")
    new: Sequence[int] = range(len(offered)) if part is None else part.new
    lines = [*new, *(() if part is None else part.replay)]
    train = trim_all([offered[line] for line in lines], tokenizer, max_length)
    validation = trim_all(load_split(dataset_dir, "validation"), tokenizer, max_length)
    everything = [*train, *validation]
    samples = Samples(
        fitting(train),
        [Origin(dataset_dir.name, line + 1) for line, one in zip(lines, train, strict=True) if one.sample is not None],
        fitting(validation),
        trimmed=sum(one.sample is not None and one.removed > 0 for one in everything),
        dropped=sum(one.sample is None for one in everything),
        replayed=len(fitting(train[len(new) :])),
        known=len(offered) - len(new),
    )
    fresh = samples.train[: len(samples.train) - samples.replayed]
    for name, rows, given in (("train", fresh, train[: len(new)]), ("validation", samples.validation, validation)):
        if not rows:
            text = f"the {name} split has {len(given)} conversations, none of them with an answer that fits {max_length} tokens"
            raise TrainingError(f"dataset {dataset_dir.name}: {text}; at least 1 is needed", MORE)
    return samples


def trim_all(conversations: Sequence[Conversation], tokenizer: Tokenizer, max_length: int) -> list[Trimmed]:
    return [trim(tokenizer, conversation, max_length) for conversation in conversations]


def fitting(rows: Sequence[Trimmed]) -> list[Sample]:
    return [row.sample for row in rows if row.sample is not None]
