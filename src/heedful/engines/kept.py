"""Kept replies: an engine and a folder in; an engine that never generates a batch twice out. For evaluations, which may be killed.

What is kept is what the model wrote, before any guard: a batch a file, written aside, named by the hash of the model, the chats and
the sampling. So a killed evaluation goes on where it was, and other scorers read the same replies. Without a seed nothing is kept.
"""

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from heedful.conversation import Message
from heedful.engines.base import Capabilities, Engine, Finished, Generation, Health, Piece, Sampling
from heedful.workspace import write_text


class KeptEngine:
    """`identity` says which weights answer, and by which engine: equal only where the same would be said."""

    def __init__(self, engine: Engine, folder: Path, identity: str) -> None:
        self._engine, self._folder, self._identity = engine, folder, identity

    @property
    def model(self) -> str:
        return self._engine.model

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    async def health(self) -> Health:
        return await self._engine.health()

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        return self._engine.stream(messages, sampling)

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        if sampling.seed is None:
            return await self._engine.generate(chats, sampling)
        path = self._folder / f"{key(self._identity, chats, sampling)}.json"
        found = read(path, len(chats))
        if found is None:
            found = await self._engine.generate(chats, sampling)
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return found

    async def close(self) -> None:
        await self._engine.close()


def key(identity: str, chats: Sequence[Sequence[Message]], sampling: Sampling) -> str:
    """The whole batch counts: beside other chats, a reply may differ in the last digit of a number and so in a word."""
    asked = [identity, asdict(sampling), [[message.as_dict() for message in chat] for chat in chats]]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]


def read(path: Path, count: int) -> list[Generation] | None:
    """None where there is no such file, or none that can be used: then it is made again."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        kept = [Generation(one["text"], Finished(**one["finished"])) for one in json.loads(path.read_text(encoding="utf-8"))]
        path.touch()  # it counts as used now, for whoever removes old ones
        return kept if len(kept) == count else None
    return None
