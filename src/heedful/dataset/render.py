"""Render: one member of a dataset in, its line out. Pure, so it runs in any process.

What changes a text on its way into a dataset happens here, in this order, and is counted: signatures are cut off.
"""

from dataclasses import dataclass

from heedful.conversation import Conversation
from heedful.dataset.boilerplate import without_signatures
from heedful.dataset.rows import to_line, with_system_prompt
from heedful.store.conversations import Stored


@dataclass(frozen=True, slots=True)
class Style:
    """What all lines of a dataset have in common."""

    system_prompt: str
    signatures: frozenset[int]
    min_characters: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """`line` is empty when nothing is left to learn from. Lengths are of messages, of all characters, and of each answer."""

    id: int
    line: str
    cut: bool = False
    messages: int = 0
    characters: int = 0
    answers: tuple[int, ...] = ()


def render(stored: Stored, style: Style) -> Rendered:
    conversation = without_signatures(stored.conversation, style.signatures)
    cut = conversation is not stored.conversation
    if cut and any(len(answer.strip()) < style.min_characters for answer in conversation.answers):
        return Rendered(stored.id, "")
    return measure(stored.id, conversation, style, cut)


def measure(key: int, conversation: Conversation, style: Style, cut: bool) -> Rendered:
    return Rendered(
        id=key,
        line=to_line(with_system_prompt(conversation, style.system_prompt)),
        cut=cut,
        messages=sum(message.role != "system" for message in conversation.messages),
        characters=sum(len(message.content) for message in conversation.messages),
        answers=tuple(len(answer) for answer in conversation.answers),
    )


def render_all(batch: list[Stored], style: Style) -> list[Rendered]:
    return [render(stored, style) for stored in batch]
