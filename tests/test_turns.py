"""The trace of a turn: what it says however the turn ends, that it holds no word, and the rows and counts that it becomes."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import select

from heedful.companion.guarding import Guards
from heedful.companion.retrieving import Retrieved
from heedful.companion.trace import Stage, Times, Trace
from heedful.companion.turn import Companion, reply, reply_many, stream_reply
from heedful.conversation import Message
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import EngineError
from heedful.knowledge import Passage
from heedful.lifecycle.recording import recording, row_of
from heedful.store.database import open_store
from heedful.store.schema import utc_now
from heedful.store.schema_turns import TurnTrace
from heedful.store.traces import Share, shares

SLEEPING = Passage("cats.md", "Cats", "", None, "Cats sleep.", 1.0, document_id="leaflet", ordinal=7)
CALM = [Message("user", "My cat sleeps all day long.")]
DANGER = [Message("user", "I want to kill myself tonight.")]
RULES_ALONE = Guards(classifier=False)


class Kept:
    """A Record that keeps what it is given."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.subjects: list[str] = []

    def __call__(self, trace: Trace, subject: str) -> None:
        self.traces.append(trace)
        self.subjects.append(subject)


def made(script: Sequence[str], kept: Kept, **fields: object) -> tuple[Companion, ScriptedEngine]:
    engine = ScriptedEngine("m-1", script, fail_after=fields.pop("fail_after", None))  # type: ignore[arg-type]
    companion = Companion(engine, "Be kind.", guards=RULES_ALONE, prompt="kind@1", variant="champion", record=kept)
    return replace(companion, **fields), engine  # type: ignore[arg-type]


def test_every_stage_stands_in_the_trace_and_it_is_recorded_once() -> None:
    async def look_up(messages: Sequence[Message]) -> Retrieved:
        await asyncio.sleep(0.02)
        return Retrieved((*messages[:-1], Message("user", f"[1] Cats sleep.\n\n{messages[-1].content}")), (SLEEPING,))

    kept = Kept()
    mine, engine = made(["They do sleep much. You have bipolar disorder."], kept, retrieve=look_up)
    found = asyncio.run(reply(mine, CALM, subject="p-17", turn="chatcmpl-1"))
    assert (kept.traces, kept.subjects, kept.traces[0].turn) == ([found.trace], ["p-17"], "chatcmpl-1")
    assert found.trace == Trace(
        model="m-1",
        prompt="kind@1",
        variant="champion",
        sources=("leaflet#7",),
        guard=replace(found.guard, found=("diagnosis",)),
        finish_reason="stop",
        prompt_tokens=11,
        completion_tokens=8,
    )
    assert engine.chats[0][-1].content == "[1] Cats sleep.\n\nMy cat sleeps all day long."
    seconds = found.trace.seconds
    assert seconds.retrieve >= 0.02 and 0 < seconds.guard_in + seconds.retrieve < seconds.first <= seconds.total
    stages = seconds.guard_in + seconds.retrieve + seconds.generate + seconds.guard_out
    assert stages == pytest.approx(seconds.total, rel=0.2)


def test_a_person_in_danger_is_served_by_the_guard_and_nothing_is_looked_up() -> None:
    searched: list[str] = []

    async def look_up(messages: Sequence[Message]) -> Retrieved:
        searched.append(messages[-1].content)
        return Retrieved(tuple(messages))

    kept = Kept()
    mine, engine = made(["I see."], kept, retrieve=look_up)
    found = asyncio.run(reply(mine, DANGER))
    assert (found.trace.served, found.trace.guard.tier, found.trace.sources, engine.chats) == ("guard", "imminent", (), [])
    assert asyncio.run(reply_many(mine, [DANGER, CALM]))[0].trace == found.trace
    assert [trace.served for trace in kept.traces] == ["guard", "guard", "local"]
    assert searched == [CALM[0].content]


def test_a_turn_that_is_left_or_fails_is_recorded_too() -> None:
    async def first_piece() -> object:
        async with aclosing(stream_reply(left, CALM)) as events:
            return await anext(events)

    kept = Kept()
    left, _ = made(["One two three."], kept)
    assert asyncio.run(first_piece()) == "One"
    failing, _ = made(["One two three."], kept, fail_after=2)
    with pytest.raises(EngineError):
        asyncio.run(reply(failing, CALM))
    assert [(trace.ended, trace.finish_reason, trace.completion_tokens) for trace in kept.traces] == [
        ("closed", None, 0),
        ("failed", None, 0),
    ]
    assert all(0 < trace.seconds.first <= trace.seconds.total for trace in kept.traces)


def test_traces_become_rows_without_a_word_and_shares_count_them(tmp_path: Path) -> None:
    store = open_store(tmp_path / "heedful.db")
    secret = Message("user", "Zebulon sings loudly.")
    with recording(store) as record:
        mine, _ = made(["Kazoo it is."], Kept(), record=record)
        asyncio.run(reply(mine, [secret], subject="p-zebra", turn="chatcmpl-9"))
        for number in range(1, 21):
            record(Trace(model="m-2", served="guard", seconds=Times(total=float(number), first=1.0)), "")
    with store.snapshot() as session:
        rows = list(session.scalars(select(TurnTrace).order_by(TurnTrace.id)))
        held = json.dumps([{name: str(value) for name, value in vars(row).items()} for row in rows]).lower()
        counted = shares(session, utc_now() - timedelta(hours=1))
        assert shares(session, utc_now() + timedelta(hours=1)) == []
    store.close()
    first = rows[0]
    assert (first.turn, first.model, first.prompt, first.ended, first.completion_tokens) == (
        "chatcmpl-9",
        "m-1",
        "kind@1",
        "done",
        3,
    )
    assert first.detail["finish_reason"] == "stop" and set(first.detail["seconds"]) == {*get_args(Stage)}
    assert not [word for word in ("zebulon", "kazoo", "p-zebra") if word in held]
    assert counted[0] == Share("guard", 20, 20 / 21, 0, 0, 0, 0.0, 10.0, 19.0, 1.0)
    assert (counted[1].served, counted[1].turns, counted[1].completion_tokens) == ("local", 1, 3)


def test_a_row_has_the_columns_of_its_table() -> None:
    assert set(row_of(Trace())) == {column.name for column in TurnTrace.__table__.columns} - {"id"}
