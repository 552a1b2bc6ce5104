"""Render: one member of a dataset in, its line out. Pure, so it runs in any process.

What changes a text on its way into a dataset happens here, in this order, and is counted: signatures are cut off, identifiers
are replaced.
"""

from dataclasses import dataclass, field, replace

from heedful.conversation import Conversation
from heedful.dataset.boilerplate import without_signatures
from heedful.dataset.compose import Exchange
from heedful.dataset.rows import to_line, with_system_prompt
from heedful.dataset.topics import telling_words
from heedful.privacy import Pseudonymised, replace_identifiers
from heedful.store.conversations import Stored

INTENTS = "intents"  # the format whose exchanges are composed


@dataclass(frozen=True, slots=True)
class Style:
    """What all lines of a dataset have in common. `for_topics` are ids of the conversations that are looked at for topics."""

    system_prompt: str
    signatures: frozenset[int]
    min_characters: int
    seed: int | None = None  # of the surrogates; None keeps identifiers as they are
    for_topics: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Member:
    """A conversation that is to be written. `known` is what the store knows of its person, to be found in the text."""

    stored: Stored
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """`line` is empty when nothing is left to learn from. `exchange`: what may become part of a composed conversation. `telling`:
    words of the person, for the topics. Lengths are of messages, of all characters, and of each answer.
    """

    id: int
    line: str
    cut: bool = False
    exchange: Exchange | None = None
    telling: frozenset[str] = frozenset()
    messages: int = 0
    characters: int = 0
    answers: tuple[int, ...] = ()
    identifiers: dict[str, int] = field(default_factory=dict)  # replaced, by kind


def render(member: Member, style: Style) -> Rendered:
    stored = member.stored
    conversation = without_signatures(stored.conversation, style.signatures)
    cut = conversation is not stored.conversation
    if cut and any(len(answer.strip()) < style.min_characters for answer in conversation.answers):
        return Rendered(stored.id, "")
    kept = Pseudonymised(conversation, {})
    done = kept if style.seed is None else replace_identifiers(conversation, style.seed, member.known)
    return replace(
        measure(stored.id, done.conversation, style.system_prompt),
        cut=cut,
        identifiers=done.counts,
        exchange=to_exchange(stored.id, done.conversation) if stored.format == INTENTS else None,
        telling=words_kept(conversation, done.conversation) if stored.id in style.for_topics else frozenset(),
    )


def words_kept(came: Conversation, written: Conversation) -> frozenset[str]:
    """Words of the person for the topics: neither an identifier, which was written as another one, nor its surrogate."""
    return telling_words(said_by_person(came)) & telling_words(said_by_person(written))


def said_by_person(conversation: Conversation) -> str:
    return "\n".join(message.content for message in conversation.messages if message.role == "user")


def to_exchange(key: int, conversation: Conversation) -> Exchange | None:
    """None when it is not one question and one answer."""
    if [message.role for message in conversation.messages] != ["user", "assistant"]:
        return None
    question, answer = (message.content for message in conversation.messages)
    return Exchange(key, conversation.group, question, answer)


def measure(key: int, conversation: Conversation, system_prompt: str) -> Rendered:
    return Rendered(
        id=key,
        line=to_line(with_system_prompt(conversation, system_prompt)),
        messages=sum(message.role != "system" for message in conversation.messages),
        characters=sum(len(message.content) for message in conversation.messages),
        answers=tuple(len(answer) for answer in conversation.answers),
    )


def render_all(batch: list[Member], style: Style) -> list[Rendered]:
    return [render(member, style) for member in batch]
