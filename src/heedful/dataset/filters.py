"""Filters: reasons to leave a conversation out, each with a name that is counted and words for the card.

Those of this file look at one conversation alone, in the order of `text_filters`; the first that drops it gives the reason. The
other reasons need all conversations at once and stand in `REASONS` with the rest, so that the card explains every count.

A new filter of one conversation is a function `Conversation -> bool` (True keeps) and a line in `text_filters`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from heedful.config import DatasetSettings
from heedful.conversation import Conversation
from heedful.dataset.normalise import normalise
from heedful.dataset.words import words

NO_BASIS, WRONG_LANGUAGE, EXACT_DUPLICATE, NEAR_DUPLICATE = "no_basis", "wrong_language", "exact_duplicate", "near_duplicate"
REJECTED, AWAITING, CONFLICTING = "rejected_in_review", "awaiting_review", "conflicting_answers"
NOT_SAMPLED, BETWEEN_SPLITS, BOILERPLATE = "not_sampled", "between_splits", "boilerplate"

LEAST_WORDS, LEAST_NEW = 12, 0.5  # words of an answer that is looked at; share of its phrases that must be new


@dataclass(frozen=True, slots=True)
class Filter:
    """`name` is counted, `reason` is what the card tells a reader, `keeps` decides."""

    name: str
    reason: str
    keeps: Callable[[Conversation], bool]


def text_filters(settings: DatasetSettings) -> tuple[Filter, ...]:
    """In the order in which they are asked."""
    shortest, longest = settings.min_characters, settings.max_characters
    return (
        Filter("no_answer", "had no question or no answer in it", has_question_and_answer),
        Filter("too_short", f"had an answer shorter than {shortest} characters", lambda c: shortest_answer(c) >= shortest),
        Filter("too_long", f"was longer than {longest} characters in all", lambda c: characters(c) <= longest),
        Filter("repetitive", "had an answer that says the same phrases again and again", lambda c: not goes_in_circles(c)),
    )


def reasons(settings: DatasetSettings) -> dict[str, str]:
    """Name -> words of every reason, in the order in which they are asked."""
    return {
        NO_BASIS: "had no basis for training: no consent, or a consent that was withdrawn",
        **{one.name: one.reason for one in text_filters(settings)},
        WRONG_LANGUAGE: "was in another language than the dataset",
        EXACT_DUPLICATE: "repeated an earlier one, but for letter case and spaces",
        REJECTED: "was rejected in `heedful review`",
        AWAITING: "awaits a person's decision in `heedful review`",
        CONFLICTING: "answered a question in a way that contradicts another answer, and awaits a decision in `heedful review`",
        NEAR_DUPLICATE: "was an earlier one with small edits",
        NOT_SAMPLED: f"was not drawn into the sample of {settings.max_samples}",
        BETWEEN_SPLITS: "was tied to questions of two files, and would have carried one into the other",
        BOILERPLATE: "had an answer of nothing but a signature that stands under many answers",
    }


def has_question_and_answer(conversation: Conversation) -> bool:
    spoken = {message.role for message in conversation.messages if message.content.strip()}
    return {"user", "assistant"} <= spoken


def shortest_answer(conversation: Conversation) -> int:
    """Every answer counts, because training supervises every one."""
    return min(len(answer.strip()) for answer in conversation.answers)


def characters(conversation: Conversation) -> int:
    return sum(len(message.content) for message in conversation.messages)


def goes_in_circles(conversation: Conversation) -> bool:
    return any(is_repetitive(words(answer)) for answer in conversation.answers)


def is_repetitive(spoken: list[str]) -> bool:
    """Whether most three-word phrases occurred before in the same answer."""
    if len(spoken) < LEAST_WORDS:
        return False
    phrases = list(zip(spoken, spoken[1:], spoken[2:], strict=False))
    return len(set(phrases)) < LEAST_NEW * len(phrases)


def sameness(conversation: Conversation) -> bytes:
    """SHA-256 of roles and normalised texts."""
    said = "\0".join(f"{message.role}\0{normalise(message.content)}" for message in conversation.messages)
    return hashlib.sha256(said.encode()).digest()
