"""The OpenVINO engine on the bundled base: what transformers says, many at once, cancellation, a cache that is too small."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from heedful.config import load_settings
from heedful.conversation import Message
from heedful.engines.base import Capabilities, Finished, Generation, Health, Piece, Sampling
from heedful.engines.openvino.build import KEPT, MODEL, WEIGHTS, built_model
from heedful.engines.openvino.engine import OpenVinoEngine
from heedful.engines.openvino.load import load_openvino_engine
from heedful.engines.openvino.network import PagedNetwork, Part
from heedful.engines.openvino.scheduler import PASS_TOKENS, RUNNING
from heedful.engines.transformers_engine import load_transformers_engine
from heedful.errors import EngineError, ModelError
from heedful.evaluation.suites import load_suite
from heedful.lifecycle.companions import Target, load_local_engine
from heedful.lifecycle.erasure.files import remove_served
from heedful.modeling.bases import load_tokenizer
from heedful.workspace import Workspace, read_manifest

CHATS = [
    [Message("user", "Hi")],
    [Message("system", "Be kind."), Message("user", "I cannot sleep, and my days are long. What could I try tonight?")],
    [Message("user", "I feel alone"), Message("assistant", "I am sorry."), Message("user", "Thank you")],
    [Message("user", "My sister moved away and I do not know how to begin. " * 12)],
]
INSTRUCTIONS = "You are a warm companion. Listen first, name what you heard, then offer one concrete step."
GREEDY = Sampling(max_new_tokens=24, temperature=0)
LONG = Sampling(max_new_tokens=900, temperature=1.9, top_p=1.0, no_repeat_ngram=0, seed=1)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def engine(shelf: Path) -> Iterator[OpenVinoEngine]:
    made = load_openvino_engine("m1", "tiny", None, shelf, cache_tokens=8_192, threads=1)
    yield made
    asyncio.run(made.close())


async def collect(engine: Any, chat: Sequence[Message], sampling: Sampling) -> Generation:
    events = [event async for event in engine.stream(chat, sampling)]
    pieces = [event.text for event in events if isinstance(event, Piece)]
    assert isinstance(events[-1], Finished) and len(pieces) == len(events) - 1 and all(pieces)
    return Generation("".join(pieces), events[-1])


async def wait_until(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> float:
    began = time.monotonic()
    while not await holds():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def skip(events: AsyncGenerator[Piece | Finished, None], pieces: int) -> None:
    for _ in range(pieces):
        assert isinstance(await anext(events), Piece)


def test_it_says_what_transformers_says(engine: OpenVinoEngine) -> None:
    """Greedy and drawn, with penalties. Its weights are rounded to float16, which changes no reply here."""
    theirs = load_transformers_engine("m1", "tiny", None, "cpu")
    for sampling in (GREEDY, Sampling(24, 0, repetition_penalty=1, no_repeat_ngram=0), Sampling(24, seed=3)):
        expected = asyncio.run(theirs.generate(CHATS, sampling))
        assert asyncio.run(engine.generate(CHATS, sampling)) == expected
        assert asyncio.run(engine.generate(CHATS[::-1], sampling)) == expected[::-1], "what is cached changes nothing"
    asyncio.run(theirs.close())


def test_it_says_what_transformers_says_to_the_written_prompts(engine: OpenVinoEngine) -> None:
    """The evaluation asks this engine: greedily, of one suite with short and one with long talks, no reply is another one."""
    theirs = load_transformers_engine("m1", "tiny", None, "cpu")
    asked = [*load_suite("feelings").prompts[:16], *load_suite("memory").prompts[:8]]
    chats = [[Message("system", INSTRUCTIONS), *prompt.messages] for prompt in asked]
    expected = asyncio.run(theirs.generate(chats, GREEDY))
    asyncio.run(theirs.close())
    assert len({one.text for one in expected}) > 16
    assert asyncio.run(engine.generate(chats, GREEDY)) == expected


def test_what_all_begin_with_is_computed_once(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of chats that are asked together; the first pass has room for no more than the instructions."""
    folder = built_model("tiny", None, "m1", shelf)
    fresh = OpenVinoEngine("m1", PagedNetwork(folder / MODEL, 8_192, threads=1, exact=True), load_tokenizer("tiny"), 1_024)
    tokens: list[int] = []
    forward = PagedNetwork.forward

    def counting(network: PagedNetwork, parts: Sequence[Part]) -> Any:
        tokens.append(sum(len(part.ids) for part in parts))
        return forward(network, parts)

    monkeypatch.setattr(PagedNetwork, "forward", counting)
    chats = [[Message("system", "Be kind. " * 200), Message("user", f"Number {number}")] for number in range(6)]
    lengths = [reply.finished.prompt_tokens for reply in asyncio.run(fresh.generate(chats, Sampling(1, temperature=0)))]
    asyncio.run(fresh.close())
    assert tokens[0] == PASS_TOKENS < min(lengths)
    assert sum(tokens) == lengths[0] + sum(length - PASS_TOKENS for length in lengths[1:])


def test_a_stream_is_the_whole_reply(engine: OpenVinoEngine) -> None:
    whole = asyncio.run(engine.generate(CHATS, GREEDY))
    assert [asyncio.run(collect(engine, chat, GREEDY)) for chat in CHATS] == whole
    assert asyncio.run(engine.generate([], GREEDY)) == []


def test_limits_and_context(engine: OpenVinoEngine) -> None:
    found = asyncio.run(collect(engine, CHATS[1], Sampling(2, temperature=0)))
    assert (found.finished.reason, found.finished.completion_tokens) == ("length", 2)
    chat = [*CHATS[1][:1], *([Message("user", "word " * 300), Message("assistant", "Yes.")] * 5), Message("user", "Hi")]
    assert asyncio.run(collect(engine, chat, GREEDY)).finished.dropped_messages == 4
    with pytest.raises(EngineError, match="the model's context holds 1024"):
        asyncio.run(collect(engine, [Message("user", "word " * 1_100)], GREEDY))
    assert engine.capabilities == Capabilities("openvino", RUNNING, 1_024, "continuous batching on the CPU in float32")


def test_many_are_written_at_the_same_time_and_a_closed_stream_frees_its_place(engine: OpenVinoEngine) -> None:
    async def ask() -> None:
        streams = [engine.stream([Message("user", f"Number {number}")], LONG) for number in range(RUNNING + 2)]
        begun = [asyncio.create_task(skip(events, 1)) for events in streams]
        await asyncio.gather(*begun[:RUNNING])
        assert await engine.health() == Health(True, RUNNING, 2)
        await streams[0].aclose()
        await begun[RUNNING]  # takes the free place
        for events in streams[:-1]:
            await events.aclose()
        await begun[-1]
        await streams[-1].aclose()
        assert await wait_until(nothing_runs) < 1, "within a second"

    async def nothing_runs() -> bool:
        return await engine.health() == Health(True, 0, 0)

    asyncio.run(ask())


def test_a_cancelled_reader_frees_its_place_too(engine: OpenVinoEngine) -> None:
    async def ask() -> None:
        reader = asyncio.create_task(collect(engine, CHATS[1], LONG))
        await wait_until(one_runs)
        reader.cancel()
        await wait_until(none_runs)

    async def one_runs() -> bool:
        return (await engine.health()).running == 1

    async def none_runs() -> bool:
        return (await engine.health()).running == 0

    asyncio.run(ask())


def test_a_cache_that_is_too_small_costs_time_and_no_token(engine: OpenVinoEngine, shelf: Path) -> None:
    folder = built_model("tiny", None, "m1", shelf)
    small = OpenVinoEngine("m1", PagedNetwork(folder / MODEL, 1_024, threads=1, exact=True), load_tokenizer("tiny"), 1_024)
    chats = [[Message("user", f"Please tell me about the number {number}. " * 20)] for number in range(6)]
    asked = Sampling(120, temperature=1.2, top_p=1.0, seed=7)
    expected = asyncio.run(engine.generate(chats, asked))
    assert asyncio.run(small.generate(chats, asked)) == expected
    assert sum(reply.finished.prompt_tokens + reply.finished.completion_tokens for reply in expected) > 1_024
    asyncio.run(small.close())


def test_a_failed_pass_ends_its_replies_and_no_others(engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("what somebody said")

    with monkeypatch.context() as broken:
        broken.setattr(PagedNetwork, "forward", fail)
        with pytest.raises(EngineError, match="the engine of m1 failed in the middle of a reply"):
            asyncio.run(collect(engine, CHATS[0], GREEDY))
        assert not asyncio.run(engine.health()).ready
    assert asyncio.run(collect(engine, CHATS[0], GREEDY)).text
    assert asyncio.run(engine.health()) == Health(True, 0, 0)


def test_a_closed_engine_refuses_and_ends_what_runs(shelf: Path) -> None:
    mine = load_openvino_engine("m2", "tiny", None, shelf, 8_192, threads=1)

    async def close_in_the_middle() -> list[Generation | BaseException]:
        events = mine.stream(CHATS[1], LONG)
        await skip(events, 1)
        await mine.close()
        rest = asyncio.create_task(collect_rest(events))
        return await asyncio.gather(rest, mine.generate(CHATS, GREEDY), return_exceptions=True)

    async def collect_rest(events: AsyncGenerator[Piece | Finished, None]) -> Generation:
        async for _ in events:
            pass
        raise AssertionError("a closed engine has no end of reply")

    assert [str(error) for error in asyncio.run(close_in_the_middle())] == ["the engine of m2 is closed"] * 2
    assert not asyncio.run(mine.health()).ready


def test_an_engine_that_nobody_holds_ends_its_thread(shelf: Path) -> None:
    """A catalog lets an engine go while a reply is under way: the reply ends first."""

    async def hold_the_stream_alone() -> int:
        events = load_openvino_engine("m4", "tiny", None, shelf, 8_192, threads=1).stream(CHATS[1], LONG)
        gc.collect()
        await skip(events, 30)
        assert "engine m4" in {thread.name for thread in threading.enumerate()}
        await events.aclose()
        return 1

    assert asyncio.run(hold_the_stream_alone()) == 1
    gc.collect()
    deadline = time.monotonic() + 30
    while "engine m4" in {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_model_is_built_once_and_again_when_it_is_damaged(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = built_model("tiny", None, "m1", shelf)
    assert read_manifest(folder)["proof"] == {"prompts": 5, "tokens": 120, "ties": 0}
    (folder / WEIGHTS).write_bytes(b"")
    builds: list[Path] = []

    def rebuild(_base: object, _adapter: object, aside: Path, _weights: object) -> dict[str, Any]:
        builds.append(aside)
        (aside / MODEL).write_text("")
        return {"parameters": 1}

    monkeypatch.setattr("heedful.engines.openvino.build.build", rebuild)
    assert built_model("tiny", None, "m1", shelf) == folder
    for number in range(KEPT + 2):
        assert built_model("tiny", None, f"n{number}", shelf).name.startswith(f"n{number}-")
        assert built_model("tiny", None, "m1", shelf) == folder, "what is used is not removed"
    assert len(builds) == KEPT + 3
    assert sorted(path.name[:2] for path in shelf.iterdir()) == ["m1", "n3", "n4", "n5", "n6"]


def test_weights_of_eight_bits_are_another_model_of_half_the_size(shelf: Path) -> None:
    whole, rounded = built_model("tiny", None, "m7", shelf), built_model("tiny", None, "m7", shelf, "int8")
    facts = read_manifest(rounded)
    assert facts["proof"] == {"prompts": 5, "tokens": 120, "ties": 0}
    assert 0 < facts["drift"] < 0.002
    assert read_manifest(whole)["drift"] == 0
    assert (rounded / WEIGHTS).stat().st_size < 0.55 * (whole / WEIGHTS).stat().st_size


def test_a_model_that_does_not_bear_eight_bits_is_served_with_sixteen(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("heedful.engines.openvino.drift.LARGEST", 0.0)
    settings = load_settings(workspace.config_file, {"serving": {"weights": "int8", "threads": 1}})
    served = load_local_engine(workspace, Target("base", "tiny", None, ""), settings, "auto")
    assert served.capabilities.how == "continuous batching on the CPU in float32"
    assert "base is not served by openvino with int8 weights: rounded to eight bits" in caplog.text
    asyncio.run(served.close())
    with pytest.raises(ModelError, match="rounded to eight bits"):
        load_local_engine(workspace, Target("base", "tiny", None, ""), settings, "openvino")


def test_a_missing_adapter_and_a_foreign_family_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no adapter"):
        load_openvino_engine("m3", "tiny", tmp_path, tmp_path, 1_024, threads=1)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ModelError, match="cannot be served by OpenVINO: architecture 'gpt2' is none of"):
        load_openvino_engine("m3", str(tmp_path), None, tmp_path, 1_024, threads=1)


def test_an_erasure_removes_what_was_built_of_its_models_and_no_other(workspace: Workspace) -> None:
    for name in ("m-1-abc", "m-1-def", "m-12-abc", "base-abc"):
        (workspace.served / name).mkdir(parents=True)
    remove_served(workspace, ["m-1", "m-7"])
    assert sorted(path.name for path in workspace.served.iterdir()) == ["base-abc", "m-12-abc"]
