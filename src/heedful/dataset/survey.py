"""Survey: the conversations of the store in; a table of what may go into a dataset, without its text, and counts of what may not.

This is the first of two passes over the store. A conversation leaves a row of numbers here; its opening question and signatures
lie in the scratch file. So memory grows with the number of conversations by some dozen bytes each, and not with their text.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from heedful.config import DatasetSettings
from heedful.dataset.conflicts import Claim
from heedful.dataset.filters import EXACT_DUPLICATE, NO_BASIS, WRONG_LANGUAGE, text_filters
from heedful.dataset.language import UNKNOWN, other_languages
from heedful.dataset.look import Look, look
from heedful.dataset.pool import ordered_map
from heedful.dataset.scratch import Scratch
from heedful.guards.advice import AdviceHit
from heedful.store.batches import batches
from heedful.store.conversations import Stored

BATCH = 100  # conversations a task
NOBODY = -1

ROW = np.dtype(
    [
        ("id", np.int64),
        ("person", np.int64),
        ("sameness", np.uint64),
        ("draw", np.uint64),
        ("question", np.uint64),
        ("group", np.uint64),
        ("opening_pieces", np.uint16),
        ("whole_pieces", np.uint16),
        ("language", np.uint8),
    ]
)

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@dataclass(slots=True)
class Survey:
    """`rows` are those that passed the filters of one conversation; `out` says which of them were dropped since, and `dropped`
    counts every reason. The sparse facts are kept by number of the row."""

    scratch: Scratch
    conversations: int = 0
    fingerprints_sha256: str = ""
    rows: NDArray[np.void] = field(default_factory=lambda: np.empty(0, ROW))
    out: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    dropped: dict[str, int] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    signatures: list[tuple[int, int]] = field(default_factory=list)
    claims: dict[int, Claim] = field(default_factory=dict)
    hits: dict[int, tuple[AdviceHit, ...]] = field(default_factory=dict)

    def withhold(self, count: int) -> None:
        """Conversations of the store that may not be trained on, and were not read."""
        self.conversations += count
        self.dropped = {NO_BASIS: count, **self.dropped}

    def kept(self) -> Numbers:
        """Numbers of the rows that are still in."""
        return np.flatnonzero(~self.out)

    def drop(self, numbers: Iterable[int] | Numbers, reason: str) -> None:
        """Rows that were dropped before keep their first reason."""
        mask = np.zeros(len(self.rows), np.bool_)
        mask[np.fromiter(numbers, np.int64)] = True
        self.dropped[reason] = int((mask & ~self.out).sum())
        self.out |= mask


def survey(stored: Iterable[Stored], settings: DatasetSettings, system_prompt: str, scratch: Scratch, workers: int = 1) -> Survey:
    """Ask the filters of one conversation, then those of language and of exact repetition."""
    found = Survey(scratch)
    found.dropped = {one.name: 0 for one in text_filters(settings)}
    prints = hashlib.sha256()
    looking = partial(look_at_all, settings=settings, system_prompt=system_prompt)
    blocks = [np.empty(0, ROW)]
    for batch in ordered_map(looking, batches(with_print(stored, prints.update), BATCH), workers):
        blocks.append(take_in(found, batch))
    found.fingerprints_sha256 = prints.hexdigest()
    found.rows = np.concatenate(blocks)
    found.out = np.zeros(len(found.rows), np.bool_)
    others = [found.languages.index(code) for code in other_languages(codes(found), settings.language)]
    found.drop(np.flatnonzero(np.isin(found.rows["language"], others)), WRONG_LANGUAGE)
    found.drop(repeated(found), EXACT_DUPLICATE)
    return found


def with_print(stored: Iterable[Stored], update: Callable[[bytes], None]) -> Iterator[Stored]:
    for one in stored:
        update(one.fingerprint.encode())
        yield one


def look_at_all(batch: list[Stored], settings: DatasetSettings, system_prompt: str) -> list[Look]:
    return [look(stored, settings, system_prompt) for stored in batch]


def take_in(found: Survey, batch: list[Look]) -> NDArray[np.void]:
    """Rows of those that are kept; the rest of them goes to the scratch file and the sparse lists."""
    first = found.scratch.openings.count
    kept = [one for one in batch if not one.reason]
    for one in batch:
        if one.reason:
            found.dropped[one.reason] += 1
    for number, one in enumerate(kept, first):
        found.scratch.add(one.opening, one.opening_signature, one.whole_signature)
        found.signatures += [(signature, one.question) for signature in one.signatures]
        if one.claim is not None:
            found.claims[number] = one.claim
        if one.hits:
            found.hits[number] = one.hits
    found.conversations += len(batch)
    return np.array([to_row(found, one) for one in kept], ROW)


def to_row(found: Survey, one: Look) -> tuple[int, ...]:
    if one.language not in found.languages:
        found.languages.append(one.language)
    return (
        one.id,
        NOBODY if one.person is None else one.person,
        one.sameness,
        one.draw,
        one.question,
        one.group,
        one.opening_pieces,
        one.whole_pieces,
        found.languages.index(one.language),
    )


def codes(found: Survey) -> list[str]:
    return [found.languages[number] for number in found.rows["language"]]


def languages_of(found: Survey) -> list[str]:
    """Those of the rows that are still in, most frequent first; unknown ones are left out."""
    spoken = Counter(found.languages[number] for number in found.rows["language"][found.kept()])
    return [code for code, _ in spoken.most_common() if code != UNKNOWN]


def repeated(found: Survey) -> Numbers:
    """Rows of those still in that say the same as an earlier one."""
    kept = found.kept()
    _, first = np.unique(found.rows["sameness"][kept], return_index=True)
    return np.setdiff1d(kept, kept[first])
