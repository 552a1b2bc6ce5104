"""Kept replies: what was answered once is not asked again, whatever was killed in between; other weights or seeds are."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from heedful.companion.guarding import Guards
from heedful.companion.turn import Companion
from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.engines.kept import KeptEngine
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import EngineError
from heedful.evaluation.answers import SLICE, ask, slices
from heedful.evaluation.prompts import Prompt

SEEDED = Sampling(seed=7)
PROMPTS = [
    Prompt((Message("user", f"question {n} " + "x" * (n % 5)),), "", "", f"p-{n}", "a" if n < 40 else "b", "k") for n in range(60)
]


def answer(engine: ScriptedEngine, folder: Path, sampling: Sampling = SEEDED, identity: str = "w-1") -> list[str]:
    companion = Companion(KeptEngine(engine, folder, identity), "Be kind.", sampling, Guards(crisis=False))
    return ["" if one is None else one.raw for one in asyncio.run(ask(companion, PROMPTS, sampling, lambda done: None))]


def test_slices_hold_one_suite_each_and_every_prompt_once() -> None:
    found = list(slices(PROMPTS))
    assert sorted(place for places in found for place in places) == list(range(60))
    assert [len(places) for places in found] == [32, 8, 20]
    assert all(len({PROMPTS[place].suite for place in places}) == 1 for places in found)
    assert SLICE == 32


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path: Path) -> None:
    def dies(messages: list[Message]) -> str:
        calls.append(messages[-1].content)
        if len(calls) == 50:
            raise KeyboardInterrupt
        return f"reply to {messages[-1].content}"

    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        answer(ScriptedEngine("m", dies), tmp_path)  # type: ignore[arg-type]
    assert len(list(tmp_path.glob("*.json"))) == 2, "the two whole slices of the first suite"
    rest: list[str] = []

    def goes_on(messages: list[Message]) -> str:
        rest.append(messages[-1].content)
        return f"reply to {messages[-1].content}"

    whole = answer(ScriptedEngine("m", goes_on), tmp_path)  # type: ignore[arg-type]
    assert len(rest) == 20
    assert whole == [f"reply to {prompt.question}" for prompt in PROMPTS]
    assert answer(ScriptedEngine("m", ["never asked"]), tmp_path) == whole


def test_other_weights_seeds_and_no_seed_are_asked_anew(tmp_path: Path) -> None:
    assert set(answer(ScriptedEngine("m", ["one"]), tmp_path)) == {"one"}
    assert set(answer(ScriptedEngine("m", ["two"]), tmp_path, identity="w-2")) == {"two"}
    assert set(answer(ScriptedEngine("m", ["three"]), tmp_path, replace(SEEDED, seed=8))) == {"three"}
    before = len(list(tmp_path.iterdir()))
    assert set(answer(ScriptedEngine("m", ["four"]), tmp_path, Sampling(seed=None))) == {"four"}
    assert len(list(tmp_path.iterdir())) == before, "a reply that is drawn anew each time is nothing to keep"


def test_a_damaged_file_is_made_again_and_a_refusal_is_not_kept(tmp_path: Path) -> None:
    answer(ScriptedEngine("m", ["one"]), tmp_path)
    files = sorted(tmp_path.glob("*.json"))
    files[0].write_text("[{")
    files[1].write_text(json.dumps([]))
    assert set(answer(ScriptedEngine("m", ["two"]), tmp_path)) == {"one", "two"}

    def refuses(messages: list[Message]) -> str:
        raise EngineError("too long")

    engine = KeptEngine(ScriptedEngine("m", refuses), tmp_path / "new", "w")  # type: ignore[arg-type]
    with pytest.raises(EngineError):
        asyncio.run(engine.generate([PROMPTS[0].messages], SEEDED))
    assert not (tmp_path / "new").exists()
