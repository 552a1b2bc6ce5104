"""Drills of hybrid service against a real upstream that misbehaves: everybody is answered in time, and what it received is read."""

import asyncio
import importlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from openai import OpenAI

from heedful.companion.breaker import Breaker
from heedful.companion.guarding import Guards
from heedful.companion.hybrid import Hybrid, Terms
from heedful.companion.routing import Routing
from heedful.companion.trace import Trace
from heedful.companion.turn import Companion, Reply, reply, stream_reply
from heedful.config import Mode, load_settings
from heedful.conversation import Message
from heedful.engines.openai_compatible import OpenAICompatibleEngine, Upstream
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import ConfigError, EngineError
from heedful.lifecycle.doctor import check_where
from heedful.lifecycle.modes import check_mode, hybrid_of, mode_now, switch
from heedful.privacy.disguise import disguise
from heedful.server.app import create_app
from heedful.server.listening import running
from heedful.server.modes import modes_router
from heedful.server.registry_catalog import RegistryCatalog
from heedful.store.consent import Statement, decide_by_name
from heedful.store.database import open_store
from heedful.workspace import Workspace
from scripted_upstream import Handler, Play, Script, raw, refuse, speak, upstream_of_script

SAID = "My name is Maria Lopez and I cannot get on with my sister Petra. Mail me at maria.lopez@gmail.com please."
CHAT = [Message("user", SAID)]
LOCAL = "I am here. Tell me more."
BUDGET_S, LONG_S = 1.0, 20.0
SLACK_S = 8.0  # of a busy machine; far from what waiting to the end would take


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What is loaded once is loaded."""
    importlib.import_module("httpx")
    disguise(CHAT, 1)
    asyncio.run(reply(Companion(ScriptedEngine("m-1", [LOCAL]), "", guards=Guards(classifier=False)), CHAT))


@pytest.fixture
def script() -> Script:
    return Script([])


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    with upstream_of_script(script) as address:
        yield address


def made(url: str, mode: Mode = "hosted", allowed: bool = True, local: Sequence[str] = (LOCAL,), **fields: Any) -> Companion:
    engine = OpenAICompatibleEngine("big", Upstream(url, "org/big", timeout_s=5.0, retries=fields.pop("retries", 0)))
    hybrid = Hybrid(engine, lambda _: Terms(mode, allowed), Breaker(3, 30.0), BUDGET_S, (2.0, 6.0))
    return Companion(ScriptedEngine("m-1", local), "Be kind.", guards=Guards(classifier=False), hybrid=hybrid, **fields)


def ask(companion: Companion, chat: Sequence[Message] = CHAT, turns: int = 1) -> list[Reply]:
    async def all_turns() -> list[Reply]:
        found = [await reply(companion, chat, subject="p-1") for _ in range(turns)]
        assert companion.hybrid is not None
        await companion.hybrid.upstream.close()
        return found

    return asyncio.run(all_turns())


def served(trace: Trace) -> tuple[str, str, str, str]:
    return trace.mode, trace.served, trace.why, trace.model


def hang(handler: Handler) -> None:
    time.sleep(LONG_S)
    handler.close_connection = True


DRILLS: dict[str, tuple[Play, str]] = {
    "500": (refuse(500), "failed"),
    "429 with a long pause": (refuse(429, {"Retry-After": "20"}), "failed"),
    "401": (refuse(401), "failed"),
    "garbage": (raw(b"data: {]\n\n"), "failed"),
    "no event stream": (raw(b"<html>Bad gateway</html>"), "failed"),
    "cut in the middle": (speak("I hear ", "you and", end=None), "failed"),
    "longer than its context": (refuse(400, code="context_length_exceeded"), "context"),
    "nothing to read": (speak("<|im_end|>"), "empty"),
    "never answers": (hang, "late"),
    "slow stream": (speak(*("word ",) * 20, pause_s=LONG_S / 20), "late"),
}


@pytest.mark.parametrize("name", DRILLS)
def test_a_person_is_answered_within_the_budget_whatever_the_upstream_does(script: Script, url: str, name: str) -> None:
    play, why = DRILLS[name]
    script.answers = [play]
    mine = made(url)
    began = time.perf_counter()
    (found,) = ask(mine)
    assert time.perf_counter() - began < BUDGET_S + SLACK_S
    assert (found.text, served(found.trace), len(script.bodies)) == (LOCAL, ("hosted", "local", why, "m-1"), 1)


def test_a_429_that_asks_for_patience_costs_no_more_than_the_budget(script: Script, url: str) -> None:
    script.answers = [refuse(429, {"Retry-After": "20"})]
    began = time.perf_counter()
    (found,) = ask(made(url, retries=3))
    assert time.perf_counter() - began < BUDGET_S + SLACK_S
    assert served(found.trace) == ("hosted", "local", "late", "m-1")


def test_a_broken_upstream_is_left_alone_and_tried_again_after_the_pause(script: Script, url: str) -> None:
    script.answers = [refuse(500), refuse(500), refuse(500), refuse(500), speak("I hear you.")]
    now = 0.0
    breaker = Breaker(3, 30.0, lambda: now)
    mine = made(url)
    assert mine.hybrid is not None
    mine = Companion(mine.engine, "", guards=mine.guards, hybrid=Hybrid(mine.hybrid.upstream, mine.hybrid.terms, breaker, BUDGET_S))

    async def turns(count: int) -> list[str]:
        return [(await reply(mine, CHAT)).trace.why for _ in range(count)]

    async def drill() -> None:
        nonlocal now
        assert await turns(5) == ["failed"] * 3 + ["breaker"] * 2
        now = 31.0
        assert await turns(2) == ["failed", "breaker"]  # one turn tries, and the pause begins anew
        now = 62.0
        assert await turns(2) == ["mode", "mode"]

    asyncio.run(drill())
    assert len(script.bodies) == 6


def test_no_identifier_reaches_the_upstream_and_the_person_reads_their_own(script: Script, url: str) -> None:
    def play(handler: Handler) -> None:
        words = script.bodies[-1]["messages"][-1]["content"].split()
        name, sister = words[3], words[words.index("sister") + 1].strip(".")
        usage = {"prompt_tokens": 40, "completion_tokens": 10}
        speak(f"That is hard, {name}. What does {sister} say?", usage=usage)(handler)

    script.answers = [play]
    (found,) = ask(made(url))
    sent = json.dumps(script.bodies).lower()
    assert not [word for word in ("maria", "lopez", "petra", "p-1") if word in sent]
    assert "cannot get on with my sister" in sent and script.bodies[0]["model"] == "org/big"
    assert found.text == "That is hard, Maria. What does Petra say?"
    assert served(found.trace) == ("hosted", "upstream", "mode", "big")
    assert found.trace.cost == pytest.approx((40 * 2 + 10 * 6) / 1e6)


def test_a_reply_whose_surrogates_cannot_be_put_back_is_given_up() -> None:
    mask = disguise([Message("user", "I am 34 years old and my name is Maria Lopez.")], seed=1)
    (age,) = mask.unsure
    assert age.isdigit() and age != "34" and mask.restore(f"At {age} much is possible.") is None
    assert mask.restore(f"You are {age} years old.") == "You are 34 years old."
    assert mask.restore("Much is possible.") == "Much is possible."


@pytest.mark.parametrize("mode", ["hosted", "hybrid"])
def test_nothing_of_a_person_without_consent_reaches_it(script: Script, url: str, mode: Mode) -> None:
    (found,) = ask(made(url, mode=mode, allowed=False))
    assert (found.text, served(found.trace), script.bodies) == (LOCAL, (mode, "local", "no_consent", "m-1"), [])


CRISES = {
    "now": [Message("user", "I want to kill myself.")],
    "a wish to be gone": [Message("user", "I wish I could go to sleep and never wake up.")],
    "violence": [Message("user", "My husband hits me. What do I tell my sister?")],
    "of somebody else": [Message("user", "My friend says she wants to kill herself. What do I do?")],
    "long ago in the chat": [
        Message("user", "I want to kill myself."),
        *(message for n in range(12) for message in (Message("assistant", "I see."), Message("user", f"We had soup on day {n}."))),
    ],
}


@pytest.mark.parametrize("name", CRISES)
@pytest.mark.parametrize("mode", ["hosted", "hybrid"])
def test_nothing_of_a_crisis_reaches_it(script: Script, url: str, mode: Mode, name: str) -> None:
    (found,) = ask(made(url, mode=mode), CRISES[name])
    assert found.trace.served in ("guard", "local") and script.bodies == []
    assert found.trace.why == ("" if found.trace.served == "guard" else "crisis")


def test_hybrid_asks_it_only_for_what_is_complex_or_what_the_local_model_got_wrong(script: Script, url: str) -> None:
    script.answers = [speak("I hear you.")]
    (routine,) = ask(made(url, "hybrid"))
    assert (served(routine.trace), script.bodies) == (("hybrid", "local", "routine", "m-1"), [])
    (complex_,) = ask(made(url, "hybrid"), [Message("user", "word " * 80)])
    assert served(complex_.trace) == ("hybrid", "upstream", "complex", "big")
    (wrong,) = ask(made(url, "hybrid", local=["You have bipolar disorder."]))
    assert (wrong.text, served(wrong.trace)) == ("I hear you.", ("hybrid", "upstream", "guard", "big"))
    assert len(script.bodies) == 2


def test_where_both_fail_the_guarded_local_reply_is_read_and_where_none_can_answer_it_is_said(script: Script, url: str) -> None:
    script.answers = [refuse(500)]
    (found,) = ask(made(url, "hybrid", local=["You have bipolar disorder. I am here."]))
    assert "bipolar" not in found.text and served(found.trace) == ("hybrid", "local", "failed", "m-1")
    broken = made(url, "hybrid")
    assert isinstance(broken.engine, ScriptedEngine)
    asyncio.run(broken.engine.close())
    with pytest.raises(EngineError, match="is closed"):
        ask(broken)
    script.answers = [speak("I hear you.")]
    assert served(ask(broken)[0].trace) == ("hybrid", "upstream", "local_failed", "big")


def test_a_local_reply_is_streamed_where_no_upstream_may_answer(script: Script, url: str) -> None:
    async def pieces(companion: Companion) -> list[str]:
        return [str(event) async for event in stream_reply(companion, CHAT) if not isinstance(event, Reply)]

    assert asyncio.run(pieces(made(url, "hybrid", allowed=False))) == ["I", " am", " here.", " Tell", " me", " more."]
    assert asyncio.run(pieces(made(url, "hybrid"))) == [LOCAL]


def test_casual_turns_go_to_the_other_engine_unless_the_guard_noticed_something(url: str) -> None:
    casual = ScriptedEngine("base", ["Hi!"])
    mine = made(url, "local", routing=Routing(casual))
    (hello,) = ask(mine, [Message("user", "Good morning! How are you?")])
    assert (hello.text, hello.trace.model, hello.trace.route and hello.trace.route.name) == ("Hi!", "base", "casual")
    (grief,) = ask(mine, [Message("user", "I lie awake since my dad died.")])
    assert (grief.text, grief.trace.model, grief.trace.route and grief.trace.route.name) == (LOCAL, "m-1", "therapeutic")
    low = made(url, "local", routing=Routing(casual, threshold=1.0))
    (noticed,) = ask(low, [Message("user", "I wish I could go to sleep and never wake up.")])
    assert (noticed.trace.guard.tier, noticed.trace.model) == ("passive", "m-1")


def test_a_mode_needs_what_it_rests_on() -> None:
    here = {"url": "http://127.0.0.1:9/v1"}
    for flags, words in (
        ({}, "upstream.url is not set"),
        ({"upstream": here, "serving": {"engine": "upstream"}}, "needs a local model"),
        ({"upstream": here, "guards": {"crisis": False}}, "needs the crisis guard"),
    ):
        check_mode(load_settings(None, flags), "local")
        with pytest.raises(ConfigError, match=words):
            check_mode(load_settings(None, flags), "hybrid")


def test_one_switch_reaches_a_running_server_and_what_each_served_is_told(script: Script, url: str, workspace: Workspace) -> None:
    upstream = f"{{url: '{url}', model: big, price_read: 1, price_written: 2}}"
    quick = "serving: {engine: transformers}\nguards: {classifier: false}\n"
    workspace.config_file.write_text(f"base: tiny\nmode: hosted\n{quick}upstream: {upstream}\nrouting: {{casual: nobody}}\n")
    settings, store = load_settings(workspace.config_file), open_store(workspace.database)
    with store.session() as session:
        decide_by_name(session, "p-1", Statement("upstream", "granted", "me"))
    script.answers = [speak("I hear you.", usage={"prompt_tokens": 1000, "completion_tokens": 500})]
    catalog = RegistryCatalog(workspace, store, settings)
    with running(create_app(catalog, rooms=[modes_router(store, settings)])) as address:
        client = OpenAI(base_url=address, api_key="x", max_retries=0)

        def said(person: str) -> str | None:
            chat: Any = [{"role": "user", "content": "I had a long day with the neighbours."}]
            return client.chat.completions.create(model="base", messages=chat, user=person, max_tokens=4).choices[0].message.content

        assert said("p-1") == "I hear you." and len(script.bodies) == 1
        assert said("p-2") != "I hear you."
        assert client.post("/../api/mode", body={"mode": "local"}, cast_to=object) is not None
        assert mode_now(store, settings) == "local"
        assert said("p-1") != "I hear you." and len(script.bodies) == 1
        metrics = client.get("/../metrics", cast_to=str)
    assert 'heedful_served_total{mode="hosted",served="upstream",why="mode"} 1.0' in metrics
    assert "heedful_upstream_cost_total 0.002" in metrics
    assert check_where(workspace).found == "local: nothing is sent anywhere"
    switch(store, settings, "hybrid", "me")
    assert mode_now(store, settings) == "hybrid" and hybrid_of(store, settings) is not None
    assert (check_where(workspace).level, check_where(workspace).found) == ("ok", f"hybrid; {url} answers")
    store.close()
