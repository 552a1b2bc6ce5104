"""Compose: single exchanges of intents in; conversations of several turns made from them out, for the training file only.

Intents teach single answers, and a model that has seen nothing else ends after one. So a greeting, a concern and a farewell of the
same file become one conversation. Every answer to a concern is used once at most, and greetings and farewells take turns, so that
none is seen more often than `MOST` times over its share. A concern that tells of danger is never followed by a cheerful goodbye: it
is left out here. What is composed is made from the training file alone, so nothing of the held-out files leaks.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from heedful.conversation import Conversation, Message
from heedful.guards.advice import tells_of_danger

OPENING = re.compile(r"^(?:greet\w*|hello|hi|hey|welcome|(?:good[ _-]?)?(?:morning|afternoon|evening))$", re.IGNORECASE)
CLOSING = re.compile(r"^(?:thank\w*|(?:good)?bye|farewell|closing|end|(?:good[ _-]?)?night)$", re.IGNORECASE)
FALLBACK = re.compile(r"fallback|default|\bno[ _-]?(?:answer|response)|unknown|neutral|repeat|\bnot[ _-]talking", re.IGNORECASE)
DANGER = re.compile(r"suicid|crisis|self[ _-]?harm|emergency|\bkill|\bdeath\b|\babuse", re.IGNORECASE)
MOST = 4  # composed conversations that one greeting or farewell stands in


@dataclass(frozen=True, slots=True)
class Exchange:
    """A line of the training file that is one question and one answer of an intent. `id` is its conversation's."""

    id: int
    tag: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Composed:
    """`sources` are the conversations that it was made from."""

    sources: tuple[int, ...]
    conversation: Conversation


def compose(exchanges: Sequence[Exchange], seed: int) -> Iterator[Composed]:
    """In an order that depends on seed and texts only."""
    drawn = sorted(exchanges, key=lambda one: hashlib.sha256(f"{seed}\n{one.question}\n{one.answer}".encode()).digest())
    openings = in_turn([one for one in drawn if OPENING.match(one.tag)])
    closings = in_turn([one for one in drawn if CLOSING.match(one.tag)])
    for parts in zip_longest(concerns(drawn), openings, closings):
        concern, opening, closing = parts
        if concern is None:
            return
        made = [one for one in (opening, concern, closing) if one is not None]
        if len(made) > 1:
            yield Composed(tuple(one.id for one in made), join(made))


def concerns(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """One exchange for every answer that is no greeting, farewell or fallback and tells of no danger."""
    kept: dict[str, Exchange] = {}
    for one in exchanges:
        aside = any(pattern.search(one.tag) for pattern in (OPENING, CLOSING, FALLBACK, DANGER))
        if not aside and not tells_of_danger(one.question):
            kept.setdefault(one.answer, one)
    return list(kept.values())


def in_turn(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Every answer `MOST` times, one after the other, each time with another of its questions as far as there are."""
    by_answer: dict[str, list[Exchange]] = defaultdict(list)
    for one in exchanges:
        by_answer[one.answer].append(one)
    return [said[turn % len(said)] for turn in range(MOST) for said in by_answer.values()]


def join(exchanges: Sequence[Exchange]) -> Conversation:
    return Conversation(
        tuple(message for one in exchanges for message in (Message("user", one.question), Message("assistant", one.answer)))
    )
