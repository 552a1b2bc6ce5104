"""Twins: the survey in; which questions are versions of one another, and which conversations are of an earlier one, out.

Signatures propose pairs (`sketch`), words decide (`similarity`), so that nothing is dropped by a chance of hashing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from heedful.dataset.look import sides
from heedful.dataset.similarity import is_near
from heedful.dataset.sketch import candidate_pairs
from heedful.dataset.survey import Numbers, Survey
from heedful.store.batches import batches
from heedful.store.conversations import Stored

OPENINGS_KEPT = 8_192  # a question stands in many pairs
PAIRS_READ = 200  # of which conversations are read at once

Load = Callable[[Sequence[int]], Iterable[Stored]]  # conversations by their ids
Texts = Sequence[Sequence[str]]


def twin_questions(found: Survey) -> dict[int, set[int]]:
    """For each question that has any, the questions that are versions of it. Those of rows that are still in."""
    kept = found.kept()
    _, first = np.unique(found.rows["question"][kept], return_index=True)
    pairs = candidate_pairs(found.scratch.opening_signatures, found.rows["opening_pieces"], np.sort(kept[first]))
    twins: dict[int, set[int]] = defaultdict(set)
    opening = lru_cache(maxsize=OPENINGS_KEPT)(lambda number: found.scratch.openings.read(number).split())
    for one, other in pairs.tolist():
        if is_near(opening(one), opening(other)):
            here, there = int(found.rows["question"][one]), int(found.rows["question"][other])
            twins[here].add(there)
            twins[there].add(here)
    return dict(twins)


def near_duplicates(found: Survey, load: Load) -> set[int]:
    """Rows, of those still in, of which an earlier one that stays is a version. User and assistant must both be alike."""
    pairs = candidate_pairs(found.scratch.whole_signatures, found.rows["whole_pieces"], found.kept())
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]  # by the later one, so that an earlier one is decided before
    stays: dict[int, int] = {}  # dropped row -> the row that stays for it
    for later, earlier, alike in compared(found, pairs, load):
        if later in stays or not alike:
            continue
        kept = stays.get(earlier, earlier)
        if kept == earlier or are_alike(*read(found, [kept, later], load).values()):
            stays[later] = kept
    return set(stays)


def compared(found: Survey, pairs: Numbers, load: Load) -> Iterator[tuple[int, int, bool]]:
    """(later row, earlier row, whether they are versions of one conversation)."""
    for block in batches(pairs.tolist(), PAIRS_READ):
        texts = read(found, sorted({row for pair in block for row in pair}), load)
        yield from ((later, earlier, are_alike(texts[earlier], texts[later])) for earlier, later in block)


def read(found: Survey, numbers: Sequence[int], load: Load) -> dict[int, Texts]:
    """Words of both sides of these rows."""
    of_id = {int(found.rows["id"][number]): number for number in numbers}
    return {of_id[one.id]: sides(one.conversation) for one in load(list(of_id))}


def are_alike(one: Texts, other: Texts) -> bool:
    return all(is_near(here, there) for here, there in zip(one, other, strict=True))


def components(twins: Mapping[int, set[int]]) -> dict[int, int]:
    """For each question that has twins, the smallest one that it is tied to along a chain."""
    smallest: dict[int, int] = {}
    for start in sorted(twins):
        waiting = [] if start in smallest else [start]
        while waiting:
            question = waiting.pop()
            smallest[question] = start
            waiting += [twin for twin in twins[question] if twin not in smallest]
    return smallest
