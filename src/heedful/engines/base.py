"""The engine seam: a rendered chat goes in, a stream of text events comes out. One interface for every way of generating.

An engine serves exactly one model under one name. It knows nothing of guards, prompts or aliases; that is the companion's work.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from heedful.conversation import FinishReason, Message


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn. `temperature` 0 is greedy; `no_repeat_ngram` 0 switches the check off; penalties see the reply only.

    With a `seed`, a chat gets the same reply from one engine every time. None draws anew.
    """

    max_new_tokens: int = 150
    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.2
    no_repeat_ngram: int = 3
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more text of the reply. Never empty, never half a character."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event. `stop`: the model ended its turn; `length`: it was cut at max_new_tokens.

    Counts are tokens, the end-of-turn token included. `dropped_messages` counts the oldest messages, which did not fit in the
    context.
    """

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    dropped_messages: int = 0


@dataclass(frozen=True, slots=True)
class Generation:
    """A whole reply as the model gave it, special tokens included as text, the end-of-turn token excluded."""

    text: str
    finished: Finished


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine is and can do. `replies` are written at the same time, more wait; None: as many as are asked for.

    `context` is how many tokens prompt and reply may have together; None: the upstream knows. `how` is one clause for people.
    """

    name: str
    replies: int | None
    context: int | None
    how: str


@dataclass(frozen=True, slots=True)
class Health:
    """`ready` to answer; how many replies are being written, and how many wait."""

    ready: bool
    running: int
    waiting: int


class Engine(Protocol):
    """What the companion is handed."""

    @property
    def model(self) -> str:
        """Id of the model version, or the name of a base."""

    @property
    def capabilities(self) -> Capabilities:
        """Never changes while the engine lives."""

    async def health(self) -> Health:
        """Quick, and without an error: an engine that cannot answer says so in `ready`."""

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        """Pieces, then exactly one Finished. Closing the generator early cancels the generation and frees its slot.

        Raises EngineError, for instance when the prompt leaves no room in the model's context.
        """

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        """Whole replies to many chats at once, batched where the engine can. Order as given."""

    async def close(self) -> None:
        """Free the model."""
