"""The guarded turn, and the hand-over: a person in danger reads a template at once, the team is told, without words."""

import asyncio
import json
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.handover import app
from heedful.companion.guarding import Guards
from heedful.companion.turn import Companion, CrisisResponse, Reply, reply, reply_many, stream_reply
from heedful.config import GuardSettings
from heedful.conversation import Message
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import ConfigError, StoreError
from heedful.lifecycle.companions import guards_of
from heedful.lifecycle.guard_checks import check_lines, check_team
from heedful.lifecycle.handover import hand_over_to, sweep
from heedful.store.audit import Wanted, list_events
from heedful.store.database import Store, open_store
from heedful.store.handovers import acknowledge, list_handovers
from heedful.store.schema import utc_now
from heedful.workspace import Workspace

DANGER = [Message("user", "I am going to kill myself")]
CALM = [Message("user", "I had a long day")]


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return open_store(workspace.database)


def companion(guards: Guards, *replies: str) -> tuple[Companion, ScriptedEngine]:
    engine = ScriptedEngine("m1", replies or ("I hear you.",))
    return Companion(engine, "Be kind.", guards=guards), engine


def test_a_person_in_danger_reads_a_template_and_the_model_is_not_asked() -> None:
    mine, engine = companion(Guards(classifier=False, country="IE"))

    async def events() -> list[str | Reply]:
        return [event async for event in stream_reply(mine, DANGER)]

    piece, last = asyncio.run(events())
    assert isinstance(piece, CrisisResponse) and isinstance(last, Reply)
    assert engine.chats == []
    assert "116 123" in last.text and piece == last.text and last.raw == ""
    assert (last.guard.tier, last.guard.kinds, last.guard.answered, last.guard.team) == ("active", ("suicide",), True, "none")
    assert asyncio.run(reply(mine, DANGER)) == last
    assert asyncio.run(reply_many(mine, [DANGER, CALM])) == [last, asyncio.run(reply(mine, CALM))]


def test_an_evaluation_sees_what_the_model_would_have_said() -> None:
    mine, _ = companion(Guards(classifier=False, also_generate=True), "You have depression.")
    judged = asyncio.run(reply(mine, DANGER))
    assert judged.raw == "You have depression." and "which country" in judged.text
    assert asyncio.run(reply_many(mine, [DANGER])) == [judged]


def test_a_wish_without_a_plan_is_answered_by_the_model_and_lines_follow() -> None:
    mine, _ = companion(Guards(classifier=False, country="US"), "I hear you.")
    said = asyncio.run(reply(mine, [Message("user", "I wish I would not wake up")]))
    assert said.text.startswith("I hear you.\n\n") and "988" in said.text
    assert (said.guard.tier, said.guard.answered) == ("passive", False)


def test_the_reply_is_guarded_counted_and_logged_without_words(caplog: pytest.LogCaptureFixture) -> None:
    mine, _ = companion(Guards(classifier=False), "You have depression. Call 555-123-4567.")
    with caplog.at_level("INFO", logger="heedful.guards"):
        said = asyncio.run(reply(mine, CALM))
    assert said.guard.found == ("diagnosis", "phone")
    assert said.raw == "You have depression. Call 555-123-4567."
    assert "555" not in said.text and "depression" not in said.text
    assert [record.getMessage() for record in caplog.records] == ["in a reply of 5 tokens: diagnosis, phone"]


def test_guards_can_be_switched_off() -> None:
    mine, _ = companion(Guards(crisis=False, kinds=frozenset()), "You have depression.")
    assert asyncio.run(reply(mine, DANGER)).text == "You have depression."


def test_the_team_is_told_once_and_a_rise_tells_it_again(store: Store, tmp_path: Path) -> None:
    told = tmp_path / "told"
    settings = GuardSettings(handover_notify=("sh", "-c", f"cat >> {told}; echo >> {told}"), classifier=False)
    mine, _ = companion(guards_of(settings, hand_over_to(store, settings, "m1")))
    said = asyncio.run(reply(mine, DANGER, subject="p-17"))
    assert said.guard.team == "told" and "I am passing on" in said.text
    asyncio.run(reply(mine, DANGER, subject="p-17"))
    asyncio.run(reply(mine, [Message("user", "I took all my pills and I'm going to die tonight")], subject="p-17"))
    wait_for_lines(told, 2)
    first, second = (json.loads(line) for line in told.read_text().splitlines() if line)
    assert (first["tier"], first["subject"], second["tier"], second["turns"]) == ("active", "p-17", "imminent", 3)
    assert "kill" not in json.dumps(first["kinds"])
    with store.snapshot() as session:
        (case,) = list_handovers(session)
        assert (case.id, case.tier, case.turns) == (1, "imminent", 3)


def wait_for_lines(path: Path, count: int) -> None:
    for _ in range(200):
        if path.exists() and sum(bool(line) for line in path.read_text().splitlines()) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("the command was not run")


def test_nobody_is_said_to_know_where_nobody_is_told(store: Store) -> None:
    settings = GuardSettings(classifier=False)
    mine, _ = companion(guards_of(settings, hand_over_to(store, settings, "m1")))
    said = asyncio.run(reply(mine, DANGER))
    assert said.guard.team == "none" and "passing on" not in said.text
    with store.snapshot() as session:
        assert len(list_handovers(session)) == 1


def test_a_hand_over_that_fails_does_not_keep_the_response_back(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def broken(found: object, subject: str) -> str:
        raise StoreError("the database is in use")

    mine, _ = companion(Guards(classifier=False, hand_over=broken))  # type: ignore[arg-type]
    assert "which country" in asyncio.run(reply(mine, DANGER)).text
    assert "could not be recorded" in caplog.text


def test_what_nobody_acknowledges_falls_back_once(store: Store, tmp_path: Path) -> None:
    fell = tmp_path / "fell"
    settings = GuardSettings(handover_fallback=("sh", "-c", f"cat > {fell}"), handover_minutes=10, classifier=False)
    mine, _ = companion(guards_of(settings, hand_over_to(store, settings, "m1")))
    asyncio.run(reply(mine, DANGER, subject="p-17"))
    assert sweep(store, settings) == []
    later = utc_now() + timedelta(minutes=11)
    (report,) = sweep(store, settings, later)
    assert report["fell_back"] is True and json.loads(fell.read_text())["handover"] == 1
    assert sweep(store, settings, later) == []
    again = asyncio.run(reply(mine, DANGER, subject="p-17"))
    assert again.guard.team == "unanswered" and "have not been able to answer" in again.text


def test_an_acknowledged_hand_over_does_not_fall_back(store: Store) -> None:
    settings = GuardSettings(classifier=False)
    mine, _ = companion(guards_of(settings, hand_over_to(store, settings, "m1")))
    asyncio.run(reply(mine, DANGER))
    with store.session() as session:
        acknowledge(session, 1, "ana")
    assert sweep(store, settings, utc_now() + timedelta(hours=1)) == []
    with pytest.raises(StoreError, match="was acknowledged by ana"), store.session() as session:
        acknowledge(session, 1, "ben")


def test_the_command_line_lists_and_acknowledges(workspace: Workspace, store: Store) -> None:
    settings = GuardSettings(classifier=False)
    mine, _ = companion(guards_of(settings, hand_over_to(store, settings, "m1")))
    asyncio.run(reply(mine, DANGER, subject="p-17"))
    place = ["--workspace", str(workspace.root)]
    listed = CliRunner().invoke(app, ["list", "--json", *place])
    (shown,) = json.loads(listed.stdout)["handovers"]
    assert (shown["handover"], shown["tier"], shown["kinds"], shown["subject"]) == (1, "active", ["suicide"], "p-17")
    assert CliRunner().invoke(app, ["ack", "1", *place]).exit_code == 0
    assert json.loads(CliRunner().invoke(app, ["list", "--json", *place]).stdout)["handovers"] == []
    assert CliRunner().invoke(app, ["ack", "1", *place]).exit_code == 1
    with store.snapshot() as session:
        acts = [event.action for event in list_events(session, Wanted())]
    assert {"handover.opened", "handover.acknowledged"} <= set(acts)


def test_a_country_without_lines_is_refused() -> None:
    with pytest.raises(ConfigError, match="country = 'XX'"):
        guards_of(GuardSettings(country="XX"))


def test_the_doctor_says_what_is_not_verified_and_who_waits(workspace: Workspace, store: Store) -> None:
    settings = GuardSettings(country="IE", classifier=False)
    level, found, _ = check_lines(settings, date(2026, 12, 1))
    assert (level, found) == ("warning", "IE: 4 lines, 4 never verified by a person, 0 older than a year")
    assert "4 older than a year" in check_lines(settings, date(2028, 1, 1))[1]
    assert check_team(workspace, settings)[:2] == ("warning", "0 wait; kept in the database only, nobody is told")
    mine, _ = companion(guards_of(settings, hand_over_to(store, settings.model_copy(update={"handover_minutes": 1e-9}), "m1")))
    asyncio.run(reply(mine, DANGER))
    assert check_team(workspace, settings)[:2] == ("problem", "1 people wait for somebody of the team, 1 of them too long")


def test_the_models_own_yes_counts_where_it_is_asked() -> None:
    says_yes, engine = companion(guards_of(GuardSettings(ask_model=True, classifier=False, handover=False)), "Yes.", "I hear you.")
    said = asyncio.run(reply(says_yes, CALM))
    assert (said.guard.tier, said.guard.rules, said.guard.answered) == ("active", ("model",), True)
    assert "Person: I had a long day" in engine.chats[0][-1].content and len(engine.chats) == 1
    says_no, engine = companion(guards_of(GuardSettings(ask_model=True, classifier=False, handover=False)), "no", "I hear you.")
    said = asyncio.run(reply(says_no, CALM))
    assert (said.guard.tier, said.text, len(engine.chats)) == ("none", "I hear you.", 2)
    unasked, engine = companion(guards_of(GuardSettings(classifier=False)), "I hear you.")
    assert asyncio.run(reply(unasked, CALM)).text == "I hear you." and len(engine.chats) == 1


def test_a_reply_names_nobody_who_is_not_part_of_the_chat() -> None:
    mine, _ = companion(guards_of(GuardSettings(classifier=False)), "Maria Kovacs said so too. I hear you, Tom.")
    said = asyncio.run(reply(mine, [Message("user", "tom left me")]))
    assert (said.text, said.guard.found) == ("[removed] [removed] said so too. I hear you, Tom.", ("identifier", "identifier"))
