"""The scripted engine: it plays, counts, limits, waits, fails and stops like a real one."""

import asyncio
from collections.abc import Sequence

import pytest

from heedful.conversation import Message
from heedful.engines.base import Engine, Finished, Generation, Piece, Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import EngineError

CHAT = (Message("system", "Be kind."), Message("user", "I feel low"))


async def collect(engine: Engine, chat: Sequence[Message], sampling: Sampling) -> list[Piece | Finished]:
    return [event async for event in engine.stream(chat, sampling)]


def test_it_streams_word_by_word() -> None:
    engine = ScriptedEngine("m1", ["  I hear\nyou. "])
    events = asyncio.run(collect(engine, CHAT, Sampling()))
    assert events == [Piece("  I"), Piece(" hear"), Piece("\nyou. "), Finished("stop", 5, 3)]
    assert (engine.model, engine.chats, engine.samplings) == ("m1", [CHAT], [Sampling()])


def test_it_keeps_the_limit() -> None:
    engine = ScriptedEngine("m1", ["one two three", ""])
    assert asyncio.run(collect(engine, CHAT, Sampling(max_new_tokens=2))) == [Piece("one"), Piece(" two"), Finished("length", 5, 2)]
    assert asyncio.run(collect(engine, CHAT, Sampling())) == [Finished("stop", 5, 0)]


def test_replies_come_round_and_batches_are_equal_to_streams() -> None:
    engine = ScriptedEngine("m1", ["one", "two"])
    found = asyncio.run(engine.generate([CHAT] * 3, Sampling()))
    assert found == [Generation(text, Finished("stop", 5, 1)) for text in ("one", "two", "one")]


def test_it_fails_on_demand_and_after_it_is_closed() -> None:
    engine = ScriptedEngine("m1", ["one two"], delay_s=0.001, fail_after=1)
    with pytest.raises(EngineError, match="the script fails after 1 words"):
        asyncio.run(collect(engine, CHAT, Sampling()))
    asyncio.run(engine.close())
    with pytest.raises(EngineError, match="the engine of m1 is closed"):
        asyncio.run(collect(engine, CHAT, Sampling()))
    with pytest.raises(EngineError, match="the script is empty"):
        ScriptedEngine("m1", [])
