"""Grounding: the seam of `build_dataset` for examples that cite: a conversation in, what became of it out.

How such an example is made stands in `companion.examples`, for it has the prompt of service.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from heedful.conversation import Conversation

# With a source and its number; with passages that do not say it, and no number. The others are left out: nothing was found; no
# sentence of the answer is supported; the passage that supports it has no room in the prompt; all that was found supports it.
Outcome = Literal["cited", "uncited", "nothing_found", "unsupported", "no_room", "no_other"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Grounded:
    """`conversation` is there where the outcome is cited or uncited. `documents` are ids of what it shows."""

    outcome: Outcome
    conversation: Conversation | None = None
    documents: tuple[str, ...] = ()


Ground = Callable[[Conversation], Grounded]
