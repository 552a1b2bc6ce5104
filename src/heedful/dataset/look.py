"""Look: one stored conversation in; what the build has to know of it, without its text, out.

Pure, so it runs in any process and in any order. What it takes out is kept for every conversation, so it is small.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from heedful.config import ANY_LANGUAGE, DatasetSettings
from heedful.conversation import Conversation
from heedful.dataset.boilerplate import signatures
from heedful.dataset.conflicts import Claim, claim_of
from heedful.dataset.filters import Filter, sameness, text_filters
from heedful.dataset.language import UNKNOWN, language_of
from heedful.dataset.rows import with_system_prompt
from heedful.dataset.sketch import pieces, sketch
from heedful.dataset.splits import keys_of
from heedful.dataset.words import words
from heedful.guards.advice import AdviceHit, find_advice
from heedful.store.conversations import Stored

OPENING_WORDS = 5  # a chat that begins with "hi" is told from others by what comes next
MOST_PIECES = 65_535


@dataclass(frozen=True, slots=True)
class Look:
    """`reason` names the filter that drops it, and then nothing else is filled. Numbers are 64-bit hashes; group 0 is none."""

    id: int
    reason: str = ""
    person: int | None = None
    sameness: int = 0
    draw: int = 0
    question: int = 0
    group: int = 0
    language: str = UNKNOWN
    opening: str = ""
    opening_pieces: int = 0
    opening_signature: bytes = b""
    whole_pieces: int = 0
    whole_signature: bytes = b""
    signatures: tuple[int, ...] = ()
    claim: Claim | None = None
    hits: tuple[AdviceHit, ...] = ()


def look(stored: Stored, settings: DatasetSettings, system_prompt: str) -> Look:
    conversation = stored.conversation
    reason = next((one.name for one in filters_of(settings) if not one.keeps(conversation)), None)
    if reason is not None:
        return Look(stored.id, reason)
    same = sameness(with_system_prompt(conversation, system_prompt))
    opening = opening_words(conversation)
    opening_pieces, whole_pieces = pieces(opening), pieces(tagged_words(conversation))
    return Look(
        id=stored.id,
        person=stored.person,
        sameness=number(same),
        draw=number(f"{settings.seed}\n".encode(), same),
        question=number(" ".join(opening).encode()),
        group=group_number(conversation),
        language=UNKNOWN if settings.language == ANY_LANGUAGE else language_of(conversation),
        opening=" ".join(opening),
        opening_pieces=min(len(opening_pieces), MOST_PIECES),
        opening_signature=sketch(opening_pieces).tobytes(),
        whole_pieces=min(len(whole_pieces), MOST_PIECES),
        whole_signature=sketch(whole_pieces).tobytes(),
        signatures=signatures(conversation),
        claim=claim_of(conversation),
        hits=find_advice(conversation),
    )


def own_keys(conversation: Conversation, person: int | None) -> tuple[str, ...]:
    """What ties this conversation to a side of the split."""
    return keys_of(number(" ".join(opening_words(conversation)).encode()), group_number(conversation), person)


def group_number(conversation: Conversation) -> int:
    return number(b"group", conversation.group.encode()) if conversation.group else 0


@lru_cache(maxsize=4)
def filters_of(settings: DatasetSettings) -> tuple[Filter, ...]:
    return text_filters(settings)


def number(*parts: bytes) -> int:
    """A 64-bit hash."""
    return int.from_bytes(hashlib.sha256(b"\0".join(parts)).digest()[:8])


def opening_words(conversation: Conversation) -> list[str]:
    """Words of the first user messages, as many as it takes to say something."""
    spoken: list[str] = []
    for message in conversation.messages:
        if message.role == "user":
            spoken += words(message.content)
            if len(spoken) >= OPENING_WORDS:
                break
    return spoken


def sides(conversation: Conversation) -> tuple[list[str], list[str]]:
    """Words of all that the user said, and of all answers: conversations are alike when both are."""
    said = (" ".join(m.content for m in conversation.messages if m.role == role) for role in ("user", "assistant"))
    user, assistant = map(words, said)
    return user, assistant


def tagged_words(conversation: Conversation) -> list[str]:
    """Both sides in one text. What is alike on both sides is alike in it, so no pair is missed."""
    user, assistant = sides(conversation)
    return [*user, "\u241e", *assistant]
