"""Filters: settings in; a list of named reasons to leave a conversation out. The first filter that drops it gives the reason.

A new filter is a function `Conversation -> bool` (True keeps) and a line in `filters_for`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from heedful.config import DatasetSettings
from heedful.conversation import Conversation
from heedful.dataset.normalise import normalise
from heedful.dataset.rows import with_system_prompt

NO_BASIS, NOT_SAMPLED, BETWEEN_SPLITS = "no_basis", "not_sampled", "between_splits"


@dataclass(frozen=True, slots=True)
class Filter:
    """`name` is counted, `reason` is what the card tells a reader, `keeps` decides."""

    name: str
    reason: str
    keeps: Callable[[Conversation], bool]


def filters_for(settings: DatasetSettings, system_prompt: str) -> tuple[Filter, ...]:
    """Fresh filters for one build, in the order in which they are asked."""
    shortest, longest = settings.min_characters, settings.max_characters
    return (
        Filter("no_answer", "had no question or no answer in it", has_question_and_answer),
        Filter("too_short", f"had an answer shorter than {shortest} characters", lambda c: shortest_answer(c) >= shortest),
        Filter("too_long", f"was longer than {longest} characters in all", lambda c: characters(c) <= longest),
        Filter("exact_duplicate", "repeated an earlier one, but for letter case and spaces", first_of_its_kind(system_prompt)),
    )


def has_question_and_answer(conversation: Conversation) -> bool:
    spoken = {message.role for message in conversation.messages if message.content.strip()}
    return {"user", "assistant"} <= spoken


def shortest_answer(conversation: Conversation) -> int:
    """Every answer counts, because training supervises every one."""
    return min(len(answer.strip()) for answer in conversation.answers)


def characters(conversation: Conversation) -> int:
    return sum(len(message.content) for message in conversation.messages)


def first_of_its_kind(system_prompt: str) -> Callable[[Conversation], bool]:
    """A filter that remembers what it saw.

    The prompt is put in before comparing: a row that brings the same prompt along, for instance from an exported dataset, would
    be written as the very same line.
    """
    seen: set[bytes] = set()

    def keeps(conversation: Conversation) -> bool:
        kind = sameness(with_system_prompt(conversation, system_prompt))
        if kind in seen:
            return False
        seen.add(kind)
        return True

    return keeps


def sameness(conversation: Conversation) -> bytes:
    """SHA-256 of roles and normalised texts."""
    said = "\0".join(f"{message.role}\0{normalise(message.content)}" for message in conversation.messages)
    return hashlib.sha256(said.encode()).digest()
