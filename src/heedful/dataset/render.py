"""Render: one member of a dataset in, its line out. Pure, so it runs in any process.

What changes a text on its way into a dataset happens here, in this order, and is counted: signatures are cut off, identifiers
are replaced.
"""

from dataclasses import dataclass, field

from heedful.conversation import Conversation
from heedful.dataset.boilerplate import without_signatures
from heedful.dataset.rows import to_line, with_system_prompt
from heedful.privacy import replace_identifiers
from heedful.store.conversations import Stored


@dataclass(frozen=True, slots=True)
class Style:
    """What all lines of a dataset have in common."""

    system_prompt: str
    signatures: frozenset[int]
    min_characters: int
    seed: int | None = None  # of the surrogates; None keeps identifiers as they are


@dataclass(frozen=True, slots=True)
class Member:
    """A conversation that is to be written. `known` is what the store knows of its person, to be found in the text."""

    stored: Stored
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """`line` is empty when nothing is left to learn from. Lengths are of messages, of all characters, and of each answer."""

    id: int
    line: str
    cut: bool = False
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
    if style.seed is None:
        return measure(stored.id, conversation, style, cut, {})
    done = replace_identifiers(conversation, style.seed, member.known)
    return measure(stored.id, done.conversation, style, cut, done.counts)


def measure(key: int, conversation: Conversation, style: Style, cut: bool, identifiers: dict[str, int]) -> Rendered:
    return Rendered(
        id=key,
        line=to_line(with_system_prompt(conversation, style.system_prompt)),
        cut=cut,
        messages=sum(message.role != "system" for message in conversation.messages),
        characters=sum(len(message.content) for message in conversation.messages),
        answers=tuple(len(answer) for answer in conversation.answers),
        identifiers=identifiers,
    )


def render_all(batch: list[Member], style: Style) -> list[Rendered]:
    return [render(member, style) for member in batch]
