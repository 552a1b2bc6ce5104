"""Profile: training rows in; the few numbers that the plan is made from, out."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from heedful.modeling.protect import Tokenizer
from heedful.training.round import Round
from heedful.training.samples import Samples, load_samples


@dataclass(frozen=True, slots=True)
class Profile:
    """Of the rows that are read in every epoch, as the base's tokenizer sees them: the train split, or what a round has new of it.

    `lengths` are tokens a conversation, in ascending order, uncut. `validation` holds those of the validation split, `replayed`
    those of the rows that a round reads once more, with `replayed_supervised` tokens that carry the loss. `known` rows of the
    dataset were learned in earlier rounds.
    """

    conversations: int
    lengths: list[int]
    supervised: int
    answers: float
    validation: tuple[int, ...] = ()
    replayed: tuple[int, ...] = ()
    replayed_supervised: int = 0
    known: int = 0

    @property
    def longest_first(self) -> list[int]:
        """Of all rows that training looks at: a round of short rows must not cut the long ones that it replays or is judged by."""
        return sorted([*self.lengths, *self.replayed, *self.validation], reverse=True)

    def percentile(self, share: float) -> int:
        """The smallest length that `share` of the conversations do not exceed."""
        lengths = self.longest_first[::-1]
        return lengths[max(0, math.ceil(share * len(lengths)) - 1)]

    def tokens(self, max_length: int) -> int:
        """Of one epoch, rows cut to `max_length`."""
        return sum(min(length, max_length) for length in self.lengths)

    def all_tokens(self, max_length: int, epochs: float) -> int:
        """Of the whole training."""
        return round(self.tokens(max_length) * epochs) + sum(min(length, max_length) for length in self.replayed)

    def all_supervised(self, epochs: float) -> int:
        return round(self.supervised * epochs) + self.replayed_supervised

    def looked_at(self, max_length: int) -> int:
        """Tokens of one look in between: the validation split, and `shown` rows of the train split."""
        validation = sum(min(length, max_length) for length in self.validation)
        return validation + round(self.tokens(max_length) * min(1, shown(len(self.validation)) / self.conversations))


def shown(validation: int) -> int:
    """Training rows that are scored beside a validation split of so many rows: enough to show whether the two drift apart."""
    return max(8, validation // 4)


def profile_dataset(dataset_dir: Path, tokenizer: Tokenizer, part: Round | None = None) -> Profile:
    """Tokenise everything once. Raises TrainingError for an empty split."""
    return profile(load_samples(dataset_dir, tokenizer, sys.maxsize, part))


def profile(samples: Samples) -> Profile:
    count = len(samples.train) - samples.replayed
    read, replayed = samples.train[:count], samples.train[count:]
    return Profile(
        conversations=count,
        lengths=sorted(len(row.ids) for row in read),
        supervised=sum(row.supervised for row in read),
        answers=sum(ends(row.mask) for row in read) / count,
        validation=tuple(sorted(len(row.ids) for row in samples.validation)),
        replayed=tuple(sorted(len(row.ids) for row in replayed)),
        replayed_supervised=sum(row.supervised for row in replayed),
        known=samples.known,
    )


def ends(mask: list[bool]) -> int:
    """Supervised runs."""
    return sum(now and not later for now, later in zip(mask, [*mask[1:], False], strict=True))
