"""A chat and a limit in, prompt tokens that fit out: the oldest turns are dropped at turn boundaries, the system message stays."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from heedful.conversation import Message
from heedful.errors import EngineError, PromptTooLong


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids that the model continues, and how many of the oldest messages had to be left out."""

    ids: tuple[int, ...]
    dropped_messages: int = 0


def fit(messages: Sequence[Message], render: Callable[[Sequence[Message]], list[int]], context: int, reply: int) -> Prompt:
    """Render the longest end of the chat that leaves `reply` tokens of the `context`.

    A kept chat starts with a user message. Raises EngineError when there is no message, PromptTooLong when the last turn alone is
    too long.
    """
    if not messages:
        raise EngineError("the chat has no message; at least one is needed", "add a user message")
    whole = render(messages)
    if len(whole) + reply <= context:
        return Prompt(tuple(whole))
    head = [message for message in messages[:1] if message.role == "system"]
    turns = messages[len(head) :]
    starts = [index for index, message in enumerate(turns) if message.role == "user" and index > 0]
    fitting = bisect_left(starts, True, key=lambda start: len(render([*head, *turns[start:]])) + reply <= context)
    if fitting == len(starts):
        shortest = len(render([*head, *turns[starts[-1] :]])) if starts else len(whole)
        raise PromptTooLong(
            f"the system prompt and the last turn are {shortest} tokens and the reply may take {reply}, "
            f"but the model's context holds {context}",
            "shorten the message, lower max_new_tokens, or use a base with a longer context",
        )
    return Prompt(tuple(render([*head, *turns[starts[fitting] :]])), starts[fitting])
