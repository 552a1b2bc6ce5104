"""The engine in front of an OpenAI-compatible upstream, against a real server on a port that plays a script of answers."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from openai import OpenAI

from heedful.config import load_settings
from heedful.conversation import Message
from heedful.engines.base import Capabilities, Finished, Generation, Health, Piece, Sampling
from heedful.engines.openai_compatible import LONGEST_PAUSE_S, OpenAICompatibleEngine, Upstream, pause
from heedful.errors import ConfigError, EngineError, PromptTooLong
from heedful.lifecycle.companions import upstream_of
from heedful.lifecycle.doctor import check_engine
from heedful.server.app import create_app
from heedful.server.listening import running
from heedful.server.registry_catalog import RegistryCatalog
from heedful.store.database import open_store
from heedful.workspace import Workspace
from scripted_upstream import QUICK, Handler, Play, Script, raw, refuse, speak, upstream_of_script

CHAT = [Message("system", "Be kind."), Message("user", "I cannot sleep.")]
ASKED = Sampling(max_new_tokens=9, temperature=0, seed=3)


@pytest.fixture
def script() -> Script:
    return Script([])


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    with upstream_of_script(script) as address:
        yield address


def engine_of(url: str, **options: Any) -> OpenAICompatibleEngine:
    return OpenAICompatibleEngine("m-1", Upstream(url, "org/model", **options))


async def collect(engine: OpenAICompatibleEngine, chat: Sequence[Message] = CHAT) -> list[Piece | Finished]:
    return [event async for event in engine.stream(chat, ASKED)]


def test_a_reply_comes_in_pieces_with_the_upstream_s_counts(script: Script, url: str) -> None:
    script.answers = [speak("I ", "hear you.", usage={"prompt_tokens": 12, "completion_tokens": 4})]
    engine = engine_of(url, key="secret")
    assert asyncio.run(collect(engine)) == [Piece("I "), Piece("hear you."), Finished("stop", 12, 4)]
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "I cannot sleep."}]
    drawn = {"max_tokens": 9, "temperature": 0, "top_p": 0.9, "seed": 3, "stream_options": {"include_usage": True}}
    assert script.bodies == [{"model": "org/model", "messages": messages, "stream": True, **drawn}]
    assert script.keys == ["Bearer secret"]
    assert "secret" not in repr(engine._upstream)


def test_only_fields_that_the_upstream_takes_are_sent(script: Script, url: str) -> None:
    script.answers = [speak("Yes.", end="length")]
    engine = engine_of(url, fields=("max_completion_tokens", "repeat_penalty"))
    assert asyncio.run(collect(engine))[-1] == Finished("length", 0, 1)
    assert set(script.bodies[0]) == {"model", "messages", "stream", "max_completion_tokens", "repeat_penalty"}
    assert script.keys == [None]
    how = f"{url}, which is not told temperature, top_p, seed, no_repeat_ngram"
    assert engine.capabilities == Capabilities("openai_compatible", None, None, how)
    with pytest.raises(EngineError, match="upstream field 'top_k' is none of max_tokens, "):
        engine_of(url, fields=("top_k",))


def test_it_asks_again_until_there_is_an_answer(script: Script, url: str) -> None:
    script.answers = [refuse(429, QUICK), refuse(503, QUICK), raw(b"data: no json\n\n"), speak("Yes.")]
    assert asyncio.run(collect(engine_of(url, retries=3)))[0] == Piece("Yes.")
    assert len(script.bodies) == 4


def test_it_gives_up_with_a_reason_and_without_the_upstream_s_words(script: Script, url: str) -> None:
    script.answers = [refuse(503, QUICK)]
    with pytest.raises(EngineError, match=f"the upstream {url} did not answer for m-1: status 503$"):
        asyncio.run(collect(engine_of(url, retries=2)))
    assert len(script.bodies) == 3
    script.answers = [refuse(401, code="invalid_api_key")]
    with pytest.raises(EngineError, match=r"status 401, invalid_api_key$"):
        asyncio.run(collect(engine_of(url)))
    script.answers = [refuse(400, code="context_length_exceeded")]
    with pytest.raises(PromptTooLong):
        asyncio.run(collect(engine_of(url)))
    assert len(script.bodies) == 5, "what is wrong with a request is not asked again"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (speak("I ", end=None), "it ended in the middle of a reply"),
        (speak("I ", end="content_filter"), "it ended with content_filter"),
        (raw(b'data: {"choices": [{"delta": {"content": "I "}}]}\n\ndata: {"error": {"message": "x"}}\n\n'), "it failed in the"),
    ],
)
def test_after_the_first_piece_nothing_is_asked_again(broken: Play, reason: str, script: Script, url: str) -> None:
    script.answers = [broken]

    async def listen() -> list[Piece | Finished]:
        heard: list[Piece | Finished] = []
        with pytest.raises(EngineError, match=reason):
            async for event in engine_of(url).stream(CHAT, ASKED):
                heard.append(event)
        return heard

    assert asyncio.run(listen()) == [Piece("I ")]
    assert len(script.bodies) == 1


def test_silence_and_an_address_where_nobody_is(script: Script, url: str) -> None:
    script.answers = [speak("late", pause_s=0.6)]
    with pytest.raises(EngineError, match="nothing came for 0 seconds"):
        asyncio.run(collect(engine_of(url, timeout_s=0.1, retries=0)))
    nobody = engine_of("http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(EngineError, match=r"the connection failed \(ConnectError\)"):
        asyncio.run(collect(nobody))
    assert asyncio.run(nobody.health()) == Health(False, 0, 0)
    assert asyncio.run(engine_of(url).health()) == Health(True, 0, 0)


def test_a_closed_stream_hangs_up(script: Script, url: str) -> None:
    script.answers = [speak(*["word "] * 400, pause_s=0.01)]
    engine = engine_of(url)

    async def leave() -> None:
        events = engine.stream(CHAT, ASKED)
        assert await anext(events) == Piece("word ")
        assert (await engine.health()).running == 1
        await events.aclose()
        assert await engine.health() == Health(True, 0, 0)
        await engine.close()
        with pytest.raises(EngineError, match="the engine of m-1 is closed"):
            await anext(engine.stream(CHAT, ASKED))

    asyncio.run(leave())
    deadline = time.monotonic() + 20
    while script.gone == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert script.gone == 1


def test_many_at_once_keep_their_order(script: Script, url: str) -> None:
    def echo(handler: Handler) -> None:
        speak(f"You said {handler.script.bodies[-1]['messages'][-1]['content']}")(handler)

    script.answers = [echo]
    chats = [[Message("user", str(number))] for number in range(3)]

    async def one_by_one() -> list[Generation]:
        engine = engine_of(url)
        return [(await engine.generate([chat], ASKED))[0] for chat in chats]

    assert [found.text for found in asyncio.run(one_by_one())] == ["You said 0", "You said 1", "You said 2"]
    script.answers = [speak("Yes.")]
    assert len(asyncio.run(engine_of(url).generate(chats * 5, ASKED))) == 15
    with pytest.raises(EngineError, match="the chat has no message"):
        asyncio.run(collect(engine_of(url), []))


def test_pauses_grow_and_end_somewhere() -> None:
    assert [0.25 * 2**n <= pause(n, None) <= 0.5 * 2**n for n in range(4)] == [True] * 4
    assert pause(50, None) <= LONGEST_PAUSE_S and pause(0, 900.0) == LONGEST_PAUSE_S and pause(3, 0.0) == 0.0


def test_words_leave_the_machine_only_when_people_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", "secret")
    here = load_settings(None, {"upstream": {"url": "http://localhost:11434/v1", "model": "warm", "key": "TEAM_KEY", "retries": 0}})
    assert upstream_of(here.upstream, "m-1") == Upstream("http://localhost:11434/v1", "warm", "secret", retries=0)
    there = {"url": "https://api.example.org/v1"}
    with pytest.raises(ConfigError, match="is another machine, and the people served did not agree"):
        upstream_of(load_settings(None, {"upstream": there}).upstream, "m-1")
    agreed = load_settings(None, {"upstream": {**there, "people_agreed": True}}).upstream
    assert upstream_of(agreed, "m-1") == Upstream("https://api.example.org/v1", "m-1", None)
    with pytest.raises(ConfigError, match=r"upstream\.url is not set"):
        upstream_of(load_settings(None).upstream, "m-1")


def test_a_workspace_is_served_by_its_upstream(script: Script, url: str, workspace: Workspace) -> None:
    workspace.config_file.write_text(f"base: tiny\nserving: {{engine: upstream}}\nupstream: {{url: '{url}'}}\n")
    settings, store = load_settings(workspace.config_file), open_store(workspace.database)
    script.answers = [speak("I hear you. What happened?")]
    catalog = RegistryCatalog(workspace, store, settings)
    with running(create_app(catalog)) as address:
        asked = OpenAI(base_url=address, api_key="x", max_retries=0).chat.completions
        found = asked.create(model="base", messages=[{"role": "user", "content": "I feel alone."}])
    assert found.choices[0].message.content == "I hear you. What happened?"
    assert script.bodies[0]["model"] == "base" and script.bodies[0]["messages"][0]["content"] == settings.system_prompt
    assert check_engine(workspace).level == "ok"
    workspace.config_file.write_text("serving: {engine: upstream}\nupstream: {url: 'http://127.0.0.1:9/v1'}\n")
    assert check_engine(workspace).found == "upstream http://127.0.0.1:9/v1 does not answer"
    store.close()
