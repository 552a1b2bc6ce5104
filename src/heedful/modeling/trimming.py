"""Trimming: a conversation and a length in; a training row that fits out, cut only between turns, with a count of what was cut.

A row cut inside an answer loses its end-of-turn token, and the model learns not to stop. So whole exchanges go, the oldest first,
the system message stays, and a last exchange that is still too long is given up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.conversation import Conversation, Message
from heedful.modeling.chat_template import Sample, supervise
from heedful.modeling.protect import Tokenizer


@dataclass(frozen=True, slots=True)
class Trimmed:
    """`sample` is None when not even the last exchange fits, or nothing is answered; `removed` counts the messages cut off."""

    sample: Sample | None
    removed: int


def trim(tokenizer: Tokenizer, conversation: Conversation, max_length: int) -> Trimmed:
    """The newest exchanges that fit in `max_length` tokens. Messages behind the last answer teach nothing and go too."""
    messages: Sequence[Message] = until_last_answer(conversation.messages)
    while messages:
        sample = supervise(tokenizer, Conversation(tuple(messages)))
        if len(sample.ids) <= max_length:
            fits = sample if sample.supervised > 0 else None
            return Trimmed(fits, len(conversation.messages) - len(messages))
        messages = without_oldest_exchange(messages)
    return Trimmed(None, len(conversation.messages))


def until_last_answer(messages: Sequence[Message]) -> Sequence[Message]:
    answers = [index for index, message in enumerate(messages) if message.role == "assistant"]
    return messages[: answers[-1] + 1] if answers else ()


def without_oldest_exchange(messages: Sequence[Message]) -> Sequence[Message]:
    """Without everything before the second exchange, the system message kept; nothing when there is only one.

    An exchange begins with the first user message after an answer; people often send two messages in a row.
    """
    system = [message for message in messages[:1] if message.role == "system"]
    starts = [
        index
        for index in range(len(system) + 1, len(messages))
        if messages[index].role == "user" and messages[index - 1].role == "assistant"
    ]
    return [*system, *messages[starts[0] :]] if starts else []
