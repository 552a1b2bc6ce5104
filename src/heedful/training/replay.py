"""Replay: rows that earlier rounds learned in; a few of them, drawn so that every round and every subject has its turn, out.

Earlier rounds come in turn, the same number of rows from each while they last, and within a round its groups come in turn: a large
round, or a question with many answers, does not crowd the others out. The seed decides which; fewer rows are a part of more.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class Learned:
    """A line of the dataset that round `generation`, from 0, learned first. Lines of one `group` are about the same."""

    line: int
    generation: int
    group: str


def draw_replay(learned: Sequence[Learned], count: int, seed: int) -> tuple[int, ...]:
    """Lines, at most `count`; all of them when there are fewer."""
    chance = random.Random(seed)
    generations = sorted({row.generation for row in learned})
    queues = [by_turns(queue_groups([row for row in learned if row.generation == one], chance)) for one in generations]
    return tuple(by_turns(queues)[:count])


def queue_groups(rows: Iterable[Learned], chance: random.Random) -> list[list[int]]:
    """Lines of each group, both in random order."""
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row.line)
    queues = [chance.sample(lines, len(lines)) for _, lines in sorted(groups.items())]
    chance.shuffle(queues)
    return queues


def by_turns(queues: Sequence[Sequence[int]]) -> list[int]:
    """The first of every queue, then the second of those that have one, and so on."""
    return [line for turn in zip_longest(*queues) for line in turn if line is not None]
