"""An engine that plays replies from a script, for tests of everything above the engine. A word counts as a token."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from heedful.conversation import Message
from heedful.engines.base import Capabilities, Finished, Generation, Health, Piece, Sampling
from heedful.errors import EngineError

Reply = Callable[[Sequence[Message]], str]
WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\s+\Z")


class ScriptedEngine:
    """Plays `replies` round and round, or asks the function for one; streams word by word.

    It waits `delay_s` seconds before each word and raises EngineError after `fail_after` words. It keeps what it was asked in
    `chats` and `samplings`, and counts in `cancelled` how many streams were closed before their end.
    """

    def __init__(self, model: str, replies: Sequence[str] | Reply, delay_s: float = 0.0, fail_after: int | None = None) -> None:
        if not callable(replies) and not replies:
            raise EngineError("the script is empty; at least one reply is needed", "give the engine a reply")
        self._model = model
        self._replies = replies
        self._delay_s = delay_s
        self._fail_after = fail_after
        self.chats: list[tuple[Message, ...]] = []
        self.samplings: list[Sampling] = []
        self.cancelled = 0
        self.running = 0
        self.closed = False

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("scripted", None, None, "plays a script")

    async def health(self) -> Health:
        return Health(not self.closed, self.running, 0)

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        words = WORD.findall(self._next_reply(messages, sampling))
        kept = words[: sampling.max_new_tokens]
        prompt_tokens = sum(len(message.content.split()) for message in messages)
        self.running += 1
        try:
            for count, word in enumerate(kept):
                await asyncio.sleep(self._delay_s)
                if self._fail_after is not None and count >= self._fail_after:
                    raise EngineError(f"the script fails after {self._fail_after} words")
                yield Piece(word)
            yield Finished("stop" if kept == words else "length", prompt_tokens, len(kept))
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        return [await self._play(messages, sampling) for messages in chats]

    async def close(self) -> None:
        self.closed = True

    def _next_reply(self, messages: Sequence[Message], sampling: Sampling) -> str:
        if self.closed:
            raise EngineError(f"the engine of {self._model} is closed", "load the model again")
        if not messages:
            raise EngineError("the chat has no message; at least one is needed", "add a user message")
        self.chats.append(tuple(messages))
        self.samplings.append(sampling)
        if callable(self._replies):
            return self._replies(messages)
        return self._replies[(len(self.chats) - 1) % len(self._replies)]

    async def _play(self, messages: Sequence[Message], sampling: Sampling) -> Generation:
        text = ""
        async with aclosing(self.stream(messages, sampling)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return Generation(text, event)
                text += event.text
        raise AssertionError("a stream ends with Finished")
