"""The transformers engine on the bundled base in float32: streams, batches, seeds, limits, cancellation."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from heedful.conversation import Message
from heedful.engines.base import Finished, Generation, Piece, Sampling
from heedful.engines.rounds import Marks, continue_all
from heedful.engines.transformers_engine import TransformersEngine, load_transformers_engine
from heedful.errors import EngineError, ModelError
from heedful.modeling.bases import load_base_model, load_tokenizer
from heedful.modeling.chat_template import end_of_turn_ids, render

CHATS = [
    [Message("user", "Hi")],
    [Message("system", "Be kind."), Message("user", "I cannot sleep, and my days are long. What could I try tonight?")],
    [Message("user", "I feel alone"), Message("assistant", "I am sorry."), Message("user", "Thank you")],
]
GREEDY = Sampling(max_new_tokens=16, temperature=0)


@pytest.fixture(scope="module")
def network() -> Any:
    return load_base_model("tiny", "cpu").float()


@pytest.fixture(scope="module")
def engine(network: Any) -> Iterator[TransformersEngine]:
    made = TransformersEngine("m1", network, load_tokenizer("tiny"), context=1_024)
    yield made
    asyncio.run(made.close())


async def collect(engine: TransformersEngine, chat: Sequence[Message], sampling: Sampling) -> Generation:
    events = [event async for event in engine.stream(chat, sampling)]
    pieces = [event.text for event in events if isinstance(event, Piece)]
    assert isinstance(events[-1], Finished) and len(pieces) == len(events) - 1 and all(pieces)
    return Generation("".join(pieces), events[-1])


async def collect_all(engine: TransformersEngine, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
    """Asked at the same time: the engine takes one after the other."""
    return await asyncio.gather(*(collect(engine, chat, sampling) for chat in chats))


def test_greedy_without_penalties_is_the_model_s_own_choice(engine: TransformersEngine, network: Any) -> None:
    import torch

    tokenizer = load_tokenizer("tiny")
    ids, end = render(tokenizer, CHATS[1], generation_prompt=True), end_of_turn_ids(tokenizer)[0]
    expected = list(ids)
    with torch.no_grad():
        while len(expected) < len(ids) + 16 and expected[-1] != end:
            expected.append(int(network(torch.tensor([expected])).logits[0, -1].argmax()))
    found = asyncio.run(collect(engine, CHATS[1], Sampling(16, temperature=0, repetition_penalty=1, no_repeat_ngram=0)))
    reply = expected[len(ids) :]
    stopped = reply[-1] == end
    assert found.text == tokenizer.decode(reply[:-1] if stopped else reply)
    assert found.finished == Finished("stop" if stopped else "length", len(ids), len(reply))


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(max_new_tokens=16, seed=5)], ids=["greedy", "seeded"])
def test_a_batch_gives_what_streams_give(engine: TransformersEngine, sampling: Sampling) -> None:
    streamed = asyncio.run(collect_all(engine, CHATS, sampling))
    assert asyncio.run(engine.generate(CHATS, sampling)) == streamed
    assert asyncio.run(engine.generate(CHATS[::-1], sampling)) == streamed[::-1]
    assert asyncio.run(engine.generate([], sampling)) == []


@pytest.mark.parametrize("sampling", [Sampling(40, temperature=0), Sampling(40, seed=5)], ids=["greedy", "seeded"])
def test_who_has_ended_is_computed_no_more(network: Any, sampling: Sampling) -> None:
    """Every reply of a batch is the one that it would be alone, though the batch becomes smaller on the way."""
    tokenizer = load_tokenizer("tiny")
    ends = [*end_of_turn_ids(tokenizer), *(tokenizer.encode(mark, add_special_tokens=False)[-1] for mark in ".!?")]
    marks = Marks(ends, tokenizer.pad_token_id)
    prompts = [
        render(tokenizer, [Message("user", f"I feel {word} today, and I do not know why.")], generation_prompt=True)
        for word in ("sad", "tired", "so very alone", "angry", "numb", "lost", "better", "worse")
    ]
    rows: list[int] = []
    hook = network.register_forward_pre_hook(lambda _, given, named: rows.append(len(named["input_ids"])), with_kwargs=True)
    try:
        together = continue_all(network, prompts, sampling, marks, lambda: False)
        computed = sum(rows)
    finally:
        hook.remove()
    alone = [continue_all(network, [prompt], sampling, marks, lambda: False)[0] for prompt in prompts]

    def said(row: list[int]) -> list[int]:
        last = next((place for place, token in enumerate(row) if token in ends), len(row))
        return row[: last + 1]

    assert [said(row) for row in together] == alone
    lengths = sorted(map(len, alone))
    assert rows == sorted(rows, reverse=True) and len(set(rows)) > 1
    assert computed < len(prompts) * lengths[-1]
    assert computed <= sum(lengths) * 2


def test_another_seed_or_none_is_another_reply(engine: TransformersEngine) -> None:
    drawn = [Sampling(16, temperature=1.5, top_p=1.0, seed=seed) for seed in (1, 2, None, None)]
    assert len({asyncio.run(collect(engine, CHATS[1], sampling)).text for sampling in drawn}) == 4


def test_a_limit_is_kept_and_named(engine: TransformersEngine) -> None:
    found = asyncio.run(collect(engine, CHATS[1], Sampling(2, temperature=0)))
    assert (found.finished.reason, found.finished.completion_tokens) == ("length", 2)


def test_a_long_chat_loses_its_oldest_turns_and_says_how_many(engine: TransformersEngine) -> None:
    chat = [*CHATS[1][:1], *([Message("user", "word " * 300), Message("assistant", "Yes.")] * 5), Message("user", "Hi")]
    found = asyncio.run(collect(engine, chat, GREEDY))
    assert found.finished.dropped_messages == 4
    assert 900 < found.finished.prompt_tokens <= 1_024 - 16
    for ask in (collect(engine, [Message("user", "word " * 1_100)], GREEDY), engine.generate([chat[-1:]], Sampling(1_024))):
        with pytest.raises(EngineError, match="the model's context holds 1024"):
            asyncio.run(ask)


def test_closing_a_stream_stops_the_model_within_a_token(engine: TransformersEngine, network: Any) -> None:
    third, closed = threading.Event(), threading.Event()
    forwards: list[int] = []

    def wait_at_the_third(*_: object) -> None:
        forwards.append(1)
        if len(forwards) == 3:
            third.set()
            assert closed.wait(60)

    async def leave_early() -> None:
        events = engine.stream(CHATS[1], Sampling(500, temperature=0))
        assert isinstance(await anext(events), Piece)
        assert await asyncio.to_thread(third.wait, 60)
        await events.aclose()
        closed.set()
        await collect(engine, CHATS[0], Sampling(1, temperature=0))  # the slot is free again

    hook = network.register_forward_pre_hook(wait_at_the_third)
    try:
        asyncio.run(leave_early())
    finally:
        hook.remove()
    assert len(forwards) == 3 + 1


def test_a_closed_engine_refuses_and_ends_what_runs() -> None:
    mine = load_transformers_engine("m2", "tiny", None, "cpu")

    async def close_in_the_middle() -> list[Generation | BaseException]:
        events = mine.stream(CHATS[1], Sampling(900, temperature=1.9, top_p=1.0, no_repeat_ngram=0, seed=1))
        await anext(events)
        waiting = asyncio.create_task(collect(mine, CHATS[0], Sampling(900)))
        await asyncio.sleep(0)
        await mine.close()
        rest = asyncio.create_task(collect_rest(events))
        return await asyncio.gather(rest, waiting, mine.generate(CHATS, GREEDY), return_exceptions=True)

    async def collect_rest(events: object) -> Generation:
        async for _ in events:  # type: ignore[attr-defined]
            pass
        raise AssertionError("a closed engine has no end of reply")

    assert mine.model == "m2"
    found = asyncio.run(close_in_the_middle())
    assert [str(error) for error in found] == ["the engine of m2 is closed"] * 3


def test_a_missing_adapter_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_transformers_engine("m3", "tiny", tmp_path, "cpu")
