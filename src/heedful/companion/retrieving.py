"""Retrieving: the seam through which a turn looks something up before it asks the model."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from heedful.conversation import Message


@dataclass(frozen=True, slots=True)
class Retrieved:
    """`messages` is the prompt with what was found put in; `sources` are the ids of it, in the order in which it is numbered."""

    messages: tuple[Message, ...]
    sources: tuple[str, ...] = ()


# Gets the prompt, the system message first. What raises fails the turn: a look-up that may fail gives the prompt back as it was.
Retrieve = Callable[[Sequence[Message]], Awaitable[Retrieved]]
