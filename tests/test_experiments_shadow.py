"""Shadow mode: the challenger answers unseen and in nobody's way; pairs are sealed, compared blind, and gone with their person."""

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.companion.turn import Companion, reply
from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.lifecycle.erasure.erase import erase
from heedful.lifecycle.experiments.pairs import Pair, judge_pair, judgements_of, keep_pair, open_pair, to_judge
from heedful.lifecycle.experiments.words import say
from heedful.server import shadow as shadow_room
from heedful.server.shadow import Shadow
from heedful.store.consent import Statement, decide_by_name
from heedful.store.database import Store
from heedful.store.persons import find_person
from heedful.store.schema_experiments import Experiment, PairJudgement, ReplyPair
from heedful.workspace import Workspace
from people import left_of
from test_experiments import begin, read, same_draws, store, versions  # noqa: F401 - fixtures

ANN = "anneliese-4711"
ASKED = (
    Message("user", "I keep dreaming of the kettledrum."),
    Message("assistant", "Since when?"),
    Message("user", "Since March."),
)
PAIR = Pair(ASKED, "What happens to the kettledrum in it?", "The marmalade again?")


def agree(store: Store, name: str, *purposes: Any) -> None:  # noqa: F811
    with store.session() as session:
        for purpose in purposes:
            decide_by_name(session, name, Statement(purpose, "granted", "tester"))


@pytest.fixture
def running(store: Store, workspace: Workspace, versions: tuple[str, str]) -> Experiment:  # noqa: F811
    return begin(store, workspace, versions[1], shadow=True)


def pairs(store: Store) -> list[ReplyPair]:  # noqa: F811
    with store.snapshot() as session:
        return list(session.scalars(select(ReplyPair)))


def test_a_pair_needs_both_consents_is_sealed_and_is_one_a_person(
    store: Store,  # noqa: F811
    workspace: Workspace,
    running: Experiment,
) -> None:
    agree(store, ANN, "chat")
    assert not keep_pair(store, running, ANN, PAIR)
    agree(store, ANN, "review")
    assert not keep_pair(store, running, ANN, replace(PAIR, challenger=f" {PAIR.champion}"))  # the same tells nothing
    assert keep_pair(store, running, ANN, PAIR)
    assert not keep_pair(store, running, ANN, PAIR)
    assert len(pairs(store)) == 1
    assert left_of(ANN, workspace.root) == []
    with store.snapshot() as session:
        seen = [open_pair(session, to_judge(session, running, "dr a")[0]) for _ in range(40)]
    assert {one.left for one in seen} == {"champion", "challenger"}
    for one in seen:
        left, right = one.replies if one.left == "champion" else reversed(one.replies)
        assert (left, right, one.messages) == (PAIR.champion, PAIR.challenger, ASKED)
    with store.session() as session:
        decide_by_name(session, ANN, Statement("review", "withdrawn", "tester"))
        assert to_judge(session, running, "dr a") == []


def test_clinicians_compare_blind_and_the_first_of_each_pair_counts(
    store: Store,  # noqa: F811
    workspace: Workspace,
    running: Experiment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("heedful.lifecycle.experiments.pairs.secrets.randbelow", lambda _: 1)  # the champion on the left
    for n in range(12):
        agree(store, f"p{n}", "chat", "review")
        assert keep_pair(store, running, f"p{n}", PAIR)
    monkeypatch.setattr("heedful.cli.options.getpass.getuser", lambda: "dr a")
    words = ["experiment", "compare", "--workspace", str(workspace.root)]
    shown = CliRunner().invoke(app, words, input="s" + "rrrlrrlrr" + "t" + "q")
    assert shown.exit_code == 0, shown.output
    assert "Since March." in shown.stdout and "left" in shown.stdout and "m-" not in shown.stdout
    assert "10 compared, 2 left for you" in shown.stdout
    monkeypatch.setattr("heedful.cli.options.getpass.getuser", lambda: "dr b")
    CliRunner().invoke(app, words, input="lltrrq")  # first the two that nobody judged, then three of the others
    words_of = {"l": "champion", "r": "challenger", "t": "tie"}
    with store.snapshot() as session:
        judged = judgements_of(session, running)
    assert judged.preferences == tuple(words_of[key] for key in "rrrlrrlrrtll")
    assert (judged.pairs, judged.doubly, judged.agreed, judged.kappa) == (12, 3, 2, 0.0)
    reading = read(store)
    assert reading.verdict == "inconclusive"
    assert reading.preference is not None and reading.preference.e_value == pytest.approx(2**11 / (12 * 330))
    assert "Two clinicians saw 3 of them and agreed on 2, kappa 0.00." in say(reading)
    page = workspace.root / "page.html"
    status = CliRunner().invoke(app, ["experiment", "status", "--json", "--page", str(page), "--workspace", str(workspace.root)])
    assert "Two clinicians saw 3 of them" in page.read_text(encoding="utf-8") and "<table>" not in page.read_text(encoding="utf-8")
    assert json.loads(status.stdout)["preference"]["share"] == pytest.approx(7 / 11)


def test_a_clear_preference_is_named(store: Store, running: Experiment) -> None:  # noqa: F811
    for n in range(9):
        agree(store, f"p{n}", "chat", "review")
        keep_pair(store, running, f"p{n}", PAIR)
    with store.session() as session:
        for number in to_judge(session, running, "dr a"):
            judge_pair(session, open_pair(session, number), "dr a", "challenger")
    assert read(store).verdict == "challenger better"
    assert read(store).preference.e_value == pytest.approx(2**9 / 10)  # type: ignore[union-attr]


def test_an_erased_person_takes_pair_and_judgement_along(store: Store, workspace: Workspace, running: Experiment) -> None:  # noqa: F811
    agree(store, ANN, "chat", "review")
    keep_pair(store, running, ANN, PAIR)
    with store.session() as session:
        judge_pair(session, open_pair(session, to_judge(session, running, "dr a")[0]), "dr a", "tie")
        hers = find_person(session, ANN)
    assert hers is not None
    erase(workspace, store, hers.id, "tester", lambda stage, done, total: None)
    assert pairs(store) == []
    with store.snapshot() as session:
        assert session.scalars(select(PairJudgement)).all() == []


def test_the_challenger_gives_way_and_answers_when_nobody_is_answered(
    store: Store,  # noqa: F811
    running: Experiment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two turns: during the second one the challenger's answer to the first is stopped, and given later."""
    monkeypatch.setattr(shadow_room, "QUIET_S", 0.02)
    for name in ("a", "b"):
        agree(store, name, "chat", *(["review"] if name == "a" else []))
    champion = ScriptedEngine(running.champion, ["one two three"], delay_s=0.05)
    challenger = ScriptedEngine(running.challenger, ["four five six seven eight"], delay_s=0.05)

    async def load(model: str) -> Companion:
        assert model == running.challenger
        return Companion(challenger, "Be kind.", Sampling(max_new_tokens=20))

    async def busy() -> bool:
        return champion.running > 0

    async def served() -> None:
        shadow = Shadow(store, load, busy)
        task = asyncio.create_task(shadow.run())
        companion = Companion(champion, "Be kind.", after=shadow.after(running))
        answered = await reply(companion, ASKED, subject="a")
        assert answered.text == "one two three" and challenger.chats == []
        await wait_for(lambda: bool(challenger.running))
        shadow.give_way()
        await reply(companion, ASKED, subject="b")
        assert (challenger.running, challenger.cancelled, len(challenger.chats)) == (0, 1, 1)
        await wait_for(lambda: len(challenger.chats) == 2 and not challenger.running)
        await wait_for(lambda: bool(pairs(store)))
        await asyncio.sleep(0.3)  # b did not agree that people read it
        assert len(challenger.chats) == 2
        task.cancel()

    asyncio.run(served())
    with store.snapshot() as session:
        blind = open_pair(session, to_judge(session, running, "dr a")[0])
    assert sorted(blind.replies) == ["four five six seven eight", "one two three"]


async def wait_for(true: Any) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
