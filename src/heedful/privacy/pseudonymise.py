"""Pseudonymise: a conversation and a seed in; the same conversation about persons who do not exist, and how many of each kind were
replaced, out.

One person stays one person through a conversation, and is another one in the next: surrogates come from the seed and the
conversation, and no table of them is kept. Equal input gives equal output.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heedful.conversation import Conversation, Message
from heedful.privacy.identifiers.find import find_in_texts
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.surrogates.calendar import new_shift, stand_in_for_age, stand_in_for_date
from heedful.privacy.surrogates.draws import Draws, new_draws
from heedful.privacy.surrogates.numbers import (
    scrambled,
    stand_in_for_card,
    stand_in_for_iban,
    stand_in_for_ip,
    stand_in_for_national_id,
    stand_in_for_phone,
)
from heedful.privacy.surrogates.people import stand_in_for_name
from heedful.privacy.surrogates.words import (
    stand_in_for_address,
    stand_in_for_email,
    stand_in_for_handle,
    stand_in_for_organisation,
    stand_in_for_place,
    stand_in_for_postcode,
    stand_in_for_url,
)

MAKERS = {
    "email": stand_in_for_email,
    "phone": stand_in_for_phone,
    "handle": stand_in_for_handle,
    "url": stand_in_for_url,
    "address": stand_in_for_address,
    "postcode": stand_in_for_postcode,
    "national_id": stand_in_for_national_id,
    "card": stand_in_for_card,
    "iban": stand_in_for_iban,
    "ip": stand_in_for_ip,
    "account_id": scrambled,
    "place": stand_in_for_place,
    "employer": stand_in_for_organisation,
    "school": stand_in_for_organisation,
}
SHIFT_TRIES = 50


@dataclass(frozen=True, slots=True)
class Pseudonymised:
    """`counts` has the number of replaced places by kind; `pairs` has, for each place, kind, what stood there and what does now."""

    conversation: Conversation
    counts: dict[str, int]
    pairs: tuple[tuple[str, str, str], ...] = ()


def pseudonymise(conversation: Conversation, seed: int, known: Iterable[str] = ()) -> Conversation:
    """The conversation with surrogates. `known` is what is known of its persons: names, e-mail addresses, telephone numbers."""
    return replace_identifiers(conversation, seed, known).conversation


def replace_identifiers(conversation: Conversation, seed: int, known: Iterable[str] = ()) -> Pseudonymised:
    texts = [message.content for message in conversation.messages]
    found = find_in_texts(texts, tuple(known))
    counts = Counter(one.kind for each in found for one in each)
    if not counts:
        return Pseudonymised(conversation, {})
    values = [(one.kind, text[one.start : one.end]) for text, each in zip(texts, found, strict=True) for one in each]
    draws = new_draws(seed, conversation.fingerprint(), (value for _, value in values))
    shift = choose_shift([value for kind, value in values if kind == "date"], draws)
    pairs: list[tuple[str, str, str]] = []
    messages = tuple(
        Message(message.role, replaced(message.content, each, draws, shift, pairs))
        for message, each in zip(conversation.messages, found, strict=True)
    )
    return Pseudonymised(Conversation(messages, conversation.group), dict(sorted(counts.items())), tuple(pairs))


def choose_shift(dates: Sequence[str], draws: Draws) -> int:
    """A shift that turns no date of the conversation into another of its dates."""
    for _ in range(SHIFT_TRIES):
        shift = new_shift(draws)
        if {stand_in_for_date(value, shift).lower() for value in dates}.isdisjoint(value.lower() for value in dates):
            return shift
    return shift


def replaced(text: str, found: Sequence[Identifier], draws: Draws, shift: int, pairs: list[tuple[str, str, str]]) -> str:
    """Surrogates are made in reading order and put in from the right, so that offsets hold; `pairs` grows by them."""
    made = [(one, stand_in(text, one, draws, shift)) for one in found]
    pairs += [(one.kind, text[one.start : one.end], surrogate) for one, surrogate in made]
    for one, surrogate in reversed(made):
        text = text[: one.start] + surrogate + text[one.end :]
    return text


def stand_in(text: str, one: Identifier, draws: Draws, shift: int) -> str:
    value = text[one.start : one.end]
    if one.kind == "name":
        return stand_in_for_name(value, text[: one.start], draws)
    if one.kind == "date":
        return stand_in_for_date(value, shift)
    if one.kind == "age":
        return stand_in_for_age(value, draws)
    maker = MAKERS[one.kind]
    return draws.once(one.kind, value, lambda: maker(value, draws))
