"""One turn of the companion: what the engine is asked, and that reply, stream and batch give one and the same text."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from heedful.companion.guarding import Guards
from heedful.companion.trace import Trace
from heedful.companion.turn import Companion, Reply, prompt, reply, reply_many, stream_reply
from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import EngineError
from heedful.guards.reply.cleaning import CHAT_TAG, EMPTY, FALLBACK, OTHER_TURN

RAW = "Assistant: That sounds hard.\n\nSee https://a.org/b or\ntake a walk.<|im_end|>\n<|im_start|>user\nno"
CHAT = [Message("user", "I feel low")]


def companion(*replies: str, delay_s: float = 0.0, fail_after: int | None = None) -> tuple[Companion, ScriptedEngine]:
    engine = ScriptedEngine("m1", replies, delay_s=delay_s, fail_after=fail_after)
    guards = Guards(known=("https://a.org",))
    return Companion(engine, "Be kind.", Sampling(max_new_tokens=50), guards), engine


async def collect(mine: Companion, chat: Sequence[Message], sampling: Sampling | None = None) -> tuple[list[str], Reply]:
    events = [event async for event in stream_reply(mine, chat, sampling)]
    texts = [event for event in events if isinstance(event, str)]
    last = events[-1]
    assert isinstance(last, Reply) and len(texts) == len(events) - 1
    return texts, last


def test_a_reply_is_clean_and_keeps_its_raw_text() -> None:
    mine, engine = companion(RAW)
    assert asyncio.run(reply(mine, CHAT)) == Reply(
        text="That sounds hard.\n\nSee https://a.org/b or\ntake a walk.",
        finish_reason="stop",
        prompt_tokens=5,
        completion_tokens=12,
        raw=RAW,
        cleaned=("role label", CHAT_TAG),
        trace=Trace(model="m1", finish_reason="stop", prompt_tokens=5, completion_tokens=12),
    )
    assert engine.chats == [(Message("system", "Be kind."), *CHAT)]
    assert engine.samplings == [Sampling(max_new_tokens=50)]


@pytest.mark.parametrize("raw", [RAW, "", "Patient: I am sad", "One two three four five six", "Look at https://a.org/b"])
@pytest.mark.parametrize("limit", [50, 4])
def test_streamed_whole_and_batched_replies_are_equal(raw: str, limit: int) -> None:
    async def all_three() -> None:
        mine, _ = companion(raw)
        sampling = Sampling(max_new_tokens=limit)
        pieces, streamed = await collect(mine, CHAT, sampling)
        assert "".join(pieces) == streamed.text and all(pieces)
        assert await reply(mine, CHAT, sampling) == streamed
        assert await reply_many(mine, [CHAT, CHAT], sampling) == [streamed, streamed]

    asyncio.run(all_three())


def test_an_empty_reply_becomes_the_fallback_and_says_so() -> None:
    mine, _ = companion("Patient: I am sad")
    trace = Trace(model="m1", finish_reason="stop", prompt_tokens=5, completion_tokens=4)
    expected = Reply(FALLBACK, "stop", 5, 4, "Patient: I am sad", (OTHER_TURN, EMPTY), trace=trace)
    assert asyncio.run(collect(mine, CHAT)) == ([FALLBACK], expected)


def test_text_is_streamed_while_it_is_made() -> None:
    mine, _ = companion("One two three four.")
    pieces, last = asyncio.run(collect(mine, CHAT))
    assert pieces == ["One", " two", " three", " four."]
    assert last.text == "One two three four."


def test_there_is_one_system_message_with_the_companions_prompt_first() -> None:
    mine, _ = companion("x")
    chat = [
        *(Message("system", " Use short words. "), Message("user", "a"), Message("assistant", "b")),
        *(Message("system", "Be kind."), Message("user", "c")),
    ]
    assert prompt(mine, chat) == (
        *(Message("system", "Be kind.\n\nUse short words."), Message("user", "a"), Message("assistant", "b")),
        Message("user", "c"),
    )
    assert prompt(Companion(mine.engine, ""), CHAT) == tuple(CHAT)


def test_many_replies_come_in_the_order_of_their_chats() -> None:
    engine = ScriptedEngine("m1", lambda messages: f"You said {messages[-1].content}.")
    chats = [[Message("user", word)] for word in ("one", "two", "three")]
    replies = asyncio.run(reply_many(Companion(engine, "Be kind."), chats))
    assert [found.text for found in replies] == ["You said one.", "You said two.", "You said three."]


def test_closing_a_streamed_reply_closes_the_engine_s_stream() -> None:
    async def first_word() -> str | Reply:
        async with aclosing(stream_reply(mine, CHAT)) as events:
            return await anext(events)

    mine, engine = companion("One two three four.")
    assert asyncio.run(first_word()) == "One"
    assert engine.cancelled == 1


def test_a_failing_engine_is_heard() -> None:
    mine, _ = companion("One two three four.", fail_after=2)
    with pytest.raises(EngineError, match="the script fails after 2 words"):
        asyncio.run(reply(mine, CHAT))
