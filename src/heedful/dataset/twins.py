"""Twins: the survey in; which questions are versions of one another, and which conversations are of an earlier one, out.

Signatures propose pairs (`sketch`), words decide (`similarity`), so that nothing is dropped by a chance of hashing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from heedful.conversation import Conversation
from heedful.dataset.look import sides
from heedful.dataset.pool import ordered_map
from heedful.dataset.similarity import is_near
from heedful.dataset.sketch import candidate_pairs
from heedful.dataset.survey import Survey
from heedful.store.batches import batches
from heedful.store.conversations import Stored

OPENINGS_KEPT = 8_192  # a question stands in many pairs
PAIRS_READ = 200  # of which conversations are read at once
OPENINGS_COMPARED = 5_000  # pairs

Load = Callable[[Sequence[int]], Iterable[Stored]]  # conversations by their ids
Pairs = list[list[int]]  # of rows, the earlier one first


def twin_questions(found: Survey, workers: int = 1) -> dict[int, set[int]]:
    """For each question that has any, the questions that are versions of it. Those of rows that are still in."""
    kept = found.kept()
    _, first = np.unique(found.rows["question"][kept], return_index=True)
    pairs = candidate_pairs(found.scratch.opening_signatures, found.rows["opening_pieces"], np.sort(kept[first]))
    twins: dict[int, set[int]] = defaultdict(set)
    opening = lru_cache(maxsize=OPENINGS_KEPT)(found.scratch.openings.read)
    blocks = (
        (block, {row: opening(row) for row in sorted({row for pair in block for row in pair})})
        for block in batches(pairs.tolist(), OPENINGS_COMPARED)
    )
    for block in ordered_map(near_openings, blocks, workers):
        for one, other in block:
            here, there = int(found.rows["question"][one]), int(found.rows["question"][other])
            twins[here].add(there)
            twins[there].add(here)
    return dict(twins)


def near_openings(block: tuple[Pairs, Mapping[int, str]]) -> Pairs:
    """Those of the pairs whose texts are versions of one."""
    pairs, texts = block
    spoken = {row: text.split() for row, text in texts.items()}
    return [[one, other] for one, other in pairs if is_near(spoken[one], spoken[other])]


def near_duplicates(found: Survey, load: Load, workers: int = 1) -> set[int]:
    """Rows, of those still in, of which an earlier one that stays is a version. User and assistant must both be alike."""
    pairs = candidate_pairs(found.scratch.whole_signatures, found.rows["whole_pieces"], found.kept())
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]  # by the later one, so that an earlier one is decided before
    blocks = ((block, read(found, {row for pair in block for row in pair}, load)) for block in batches(pairs.tolist(), PAIRS_READ))
    stays: dict[int, int] = {}  # dropped row -> the row that stays for it
    for block in ordered_map(near_conversations, blocks, workers):
        for earlier, later in block:
            kept = stays.get(earlier, earlier)
            if later not in stays and (kept == earlier or near_conversations(([[kept, later]], read(found, {kept, later}, load)))):
                stays[later] = kept
    return set(stays)


def near_conversations(block: tuple[Pairs, Mapping[int, Conversation]]) -> Pairs:
    """Those of the pairs that are versions of one conversation, on both sides."""
    pairs, talks = block
    said = {row: sides(talk) for row, talk in talks.items()}
    return [[one, other] for one, other in pairs if all(map(is_near, said[one], said[other]))]


def read(found: Survey, rows: Iterable[int], load: Load) -> dict[int, Conversation]:
    of_id = {int(found.rows["id"][row]): row for row in sorted(rows)}
    return {of_id[one.id]: one.conversation for one in load(list(of_id))}


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
