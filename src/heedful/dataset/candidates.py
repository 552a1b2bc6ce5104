"""Candidates: all conversations of the store in; what may go into the dataset, without its text, and a count of what may not.

This is the first of two passes. It keeps hashes and lengths only, so memory grows with the number of rows, not with their text.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heedful.config import DatasetSettings
from heedful.conversation import Conversation
from heedful.dataset.filters import NOT_SAMPLED, Filter, characters, filters_for, sameness
from heedful.dataset.rows import to_line, with_system_prompt
from heedful.dataset.splits import Ties, own_keys
from heedful.store.conversations import Stored


@dataclass(frozen=True, slots=True)
class Candidate:
    """A conversation that passed the filters. `line_sha256` is the hash of the line it would be; lengths are characters."""

    id: int
    ties: Ties
    draw: bytes  # a lottery number, from seed and text
    line_sha256: bytes
    turns: int
    characters: int
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """`conversations` were looked at; `dropped` counts every reason, also those that met nobody."""

    conversations: int
    fingerprints_sha256: str
    candidates: list[Candidate]
    dropped: dict[str, int]


def survey(stored: Iterable[Stored], settings: DatasetSettings, system_prompt: str) -> Survey:
    """Ask every filter about every conversation, then draw the sample."""
    filters = filters_for(settings, system_prompt)
    dropped = dict.fromkeys([*(f.name for f in filters), NOT_SAMPLED], 0)
    fingerprints = hashlib.sha256()
    candidates = []
    for one in stored:
        fingerprints.update(one.fingerprint.encode())
        reason = first_reason(filters, one.conversation)
        if reason is None:
            candidates.append(to_candidate(one, settings.seed, system_prompt))
        else:
            dropped[reason] += 1
    looked_at = len(candidates) + sum(dropped.values())
    drawn = draw_sample(candidates, settings.max_samples)
    dropped[NOT_SAMPLED] = len(candidates) - len(drawn)
    return Survey(looked_at, fingerprints.hexdigest(), drawn, dropped)


def first_reason(filters: Sequence[Filter], conversation: Conversation) -> str | None:
    return next((f.name for f in filters if not f.keeps(conversation)), None)


def to_candidate(stored: Stored, seed: int, system_prompt: str) -> Candidate:
    conversation = stored.conversation
    return Candidate(
        id=stored.id,
        ties=Ties(own_keys(conversation, stored.person)),
        draw=hashlib.sha256(f"{seed}\n".encode() + sameness(conversation)).digest(),
        line_sha256=hashlib.sha256(to_line(with_system_prompt(conversation, system_prompt)).encode()).digest(),
        turns=sum(message.role != "system" for message in conversation.messages),
        characters=characters(conversation),
        answers=tuple(len(answer) for answer in conversation.answers),
    )


def draw_sample(candidates: list[Candidate], most: int | None) -> list[Candidate]:
    """The `most` smallest lottery numbers, in the order of the store.

    The numbers come from seed and text, so the draw does not depend on the order of imports, and more data moves it little.
    """
    if most is None or len(candidates) <= most:
        return candidates
    drawn = {candidate.id for candidate in sorted(candidates, key=lambda c: c.draw)[:most]}
    return [candidate for candidate in candidates if candidate.id in drawn]
