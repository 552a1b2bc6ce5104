"""Profile: training rows in; the few numbers that the plan is made from, out."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from heedful.modeling.protect import Tokenizer
from heedful.training.samples import Samples, load_samples


@dataclass(frozen=True, slots=True)
class Profile:
    """Of the train split, as the base's tokenizer sees it. `lengths` are tokens a conversation, in ascending order, uncut.

    `validation` holds those of the validation split.
    """

    conversations: int
    lengths: list[int]
    supervised: int
    answers: float
    validation: tuple[int, ...] = ()

    def percentile(self, share: float) -> int:
        """The smallest length that `share` of the conversations do not exceed."""
        return self.lengths[max(0, math.ceil(share * len(self.lengths)) - 1)]

    def tokens(self, max_length: int) -> int:
        """Of one epoch, rows cut to `max_length`."""
        return sum(min(length, max_length) for length in self.lengths)

    def looked_at(self, max_length: int) -> int:
        """Tokens of one look in between: the validation split, and `shown` rows of the train split."""
        validation = sum(min(length, max_length) for length in self.validation)
        return validation + round(self.tokens(max_length) * min(1, shown(len(self.validation)) / self.conversations))


def shown(validation: int) -> int:
    """Training rows that are scored beside a validation split of so many rows: enough to show whether the two drift apart."""
    return max(8, validation // 4)


def profile_dataset(dataset_dir: Path, tokenizer: Tokenizer) -> Profile:
    """Tokenise everything once. Raises TrainingError for an empty split."""
    return profile(load_samples(dataset_dir, tokenizer, sys.maxsize))


def profile(samples: Samples) -> Profile:
    answers = sum(ends(row.mask) for row in samples.train)
    return Profile(
        conversations=len(samples.train),
        lengths=sorted(len(row.ids) for row in samples.train),
        supervised=sum(row.supervised for row in samples.train),
        answers=answers / len(samples.train),
        validation=tuple(sorted(len(row.ids) for row in samples.validation)),
    )


def ends(mask: list[bool]) -> int:
    """Supervised runs."""
    return sum(now and not later for now, later in zip(mask, [*mask[1:], False], strict=True))
