"""Schedule: lengths of the training rows in; which rows make each optimiser step, out. Shared by every way of training.

Rows that are padded together should be of like length. So a few steps at a time are drawn at random, sorted by length, cut into
steps, and these shuffled: the learning rate must not decay along with the length (transformers' group_by_length goes from long to
short). All steps are full but, perhaps, the last one.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """`steps[i]` holds the row numbers of step i, longest first. `rows` are those of one epoch, replayed ones included."""

    steps: list[list[int]]
    rows: float

    def epochs(self) -> list[float]:
        """Passes over the data that are done after each step."""
        done, passed = 0, []
        for batch in self.steps:
            done += len(batch)
            passed.append(done / self.rows)
        return passed

    def order(self) -> list[int]:
        """All row numbers, one after the other."""
        return [row for batch in self.steps for row in batch]


def make_schedule(lengths: Sequence[int], batch_size: int, epochs: float, seed: int, padded: int, replayed: int = 0) -> Schedule:
    """Every row once an epoch, in another order each time; a fraction of an epoch takes a random part of the rows.

    The last `replayed` rows come once in the whole training, an equal part of them in each epoch. `padded` rows go through the
    model together (the micro-batch), and as many steps are drawn at a time.
    """
    chance = random.Random(seed)
    repeated = len(lengths) - replayed
    read, count = total(repeated, epochs) + replayed, 0
    steps: list[list[int]] = []
    waiting: list[int] = []
    for drawn in read_passes(repeated, replayed, epochs, chance):
        count += len(drawn)
        rows = waiting + drawn
        kept = len(rows) if count == read else len(rows) // batch_size * batch_size
        rows, waiting = rows[:kept], rows[kept:]  # what fills no step goes into the next epoch
        for start in range(0, len(rows), padded * batch_size):
            steps += cut(rows[start : start + padded * batch_size], lengths, batch_size, chance)
    return Schedule(steps, repeated + replayed / max(epochs, 1.0))


def read_passes(repeated: int, replayed: int, epochs: float, chance: random.Random) -> Iterator[list[int]]:
    """Row numbers of each epoch, in random order."""
    left = total(repeated, epochs)
    count = -(-left // repeated)
    once = chance.sample(range(repeated, repeated + replayed), replayed) if replayed else []
    for number in range(count):
        rows = chance.sample(range(repeated), repeated)[: left - number * repeated]
        part = once[len(once) * number // count : len(once) * (number + 1) // count]
        yield chance.sample(rows + part, len(rows) + len(part)) if part else rows


def cut(pool: list[int], lengths: Sequence[int], batch_size: int, chance: random.Random) -> list[list[int]]:
    """Steps of like length in random order; one that is not full comes last."""
    full, rest = pool[: len(pool) // batch_size * batch_size], pool[len(pool) // batch_size * batch_size :]
    by_length = sorted(full, key=lambda row: -lengths[row])
    batches = [by_length[start : start + batch_size] for start in range(0, len(full), batch_size)]
    chance.shuffle(batches)
    return [*batches, *([sorted(rest, key=lambda row: -lengths[row])] if rest else [])]


def count_steps(rows: int, batch_size: int, epochs: float, replayed: int = 0) -> int:
    """Steps of the schedule, without making it. `rows` are read in every epoch, `replayed` ones once."""
    return -(-(total(rows, epochs) + replayed) // batch_size)


def total(rows: int, epochs: float) -> int:
    return max(1, round(rows * epochs))
