"""The review queue, from a rule that is met to a decision that every later dataset respects."""

import json
import os
import pty
import select as polling
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from heedful.cli.review import app
from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset import BuiltDataset, build_dataset, load_split, show_dataset
from heedful.dataset.splits import SPLITS
from heedful.store.consent import Statement, decide
from heedful.store.conversations import add_conversations, iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.persons import find_or_add_persons
from heedful.store.reviews import count_reviews, decisions, waiting
from heedful.store.schema import AuditEvent, Import
from heedful.store.schema_review import Correction, ReviewItem
from heedful.workspace import Workspace

BAD = {"diagnosis": "You have depression, that is all.", "dismissive": "Snap out of it and go to work."}


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    take_in(opened, [*plain(), chat("Why do I cry so often?", BAD["diagnosis"]), chat("I miss my old flat.", BAD["dismissive"])])
    yield opened
    opened.close()


def chat(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def plain() -> list[Conversation]:
    subjects = ["sleep", "work", "school", "music", "family", "rain", "bread", "winter", "travel", "moving", "exams", "garden"]
    return [chat(f"Tell me about {subject} please.", f"What about {subject} is on your mind today?") for subject in subjects]


def take_in(store: Store, rows: Iterable[Conversation], person: str | None = None) -> None:
    with store.session() as session:
        entry = Import(path="file.csv", format="csv", sha256="0" * 64, basis="consent" if person else "owned")
        session.add(entry)
        session.flush()
        add_conversations(session, entry.id, [(n, c, person) for n, c in enumerate(rows)])


def build(store: Store, workspace: Workspace, settings: DatasetSettings | None = None) -> BuiltDataset:
    return build_dataset(store, workspace, DatasetSettings() if settings is None else settings, "", "tester")


def answers(built: BuiltDataset) -> set[str]:
    return {c.answers[0] for split in SPLITS for c in load_split(built.path, split)}


def press(workspace: Workspace, keys: str, **environment: str) -> str:
    done = CliRunner().invoke(app, ["--workspace", str(workspace.root)], input=keys, env=environment)
    assert done.exit_code == 0, done.output
    return done.output


def counted(store: Store) -> dict[str, dict[str, int]]:
    with store.snapshot() as session:
        return count_reviews(session)


def test_what_a_rule_met_is_held_back_and_waits(store: Store, workspace: Workspace) -> None:
    built = build(store, workspace)
    assert built.dropped["awaiting_review"] == 2
    assert answers(built).isdisjoint(BAD.values())
    assert (
        "- 2, because each awaits a person's decision in `heedful review` (`awaiting_review`)"
        in (built.path / "card.md").read_text()
    )
    with store.snapshot() as session:
        queue = waiting(session)
        assert [(item.rule, item.spans) for item in queue] == [("diagnosis", [[1, 0, 19]]), ("dismissive", [[1, 0, 14]])]
    assert show_dataset(workspace, built.id)["review"] == {"diagnosis": {"awaiting": 1}, "dismissive": {"awaiting": 1}}


def test_a_setting_takes_it_in_and_it_waits_all_the_same(store: Store, workspace: Workspace) -> None:
    built = build(store, workspace, DatasetSettings(awaiting_review="include"))
    assert built.dropped["awaiting_review"] == 0
    assert answers(built) >= set(BAD.values())
    assert counted(store) == {"diagnosis": {"awaiting": 1}, "dismissive": {"awaiting": 1}}


def test_keys_accept_and_reject_and_later_builds_remember(store: Store, workspace: Workspace) -> None:
    build(store, workspace)
    told = press(workspace, "xar")  # x is no key
    assert "1 of 2: tells the person what illness they have (diagnosis)" in told
    assert "accepted 1, edited 0, rejected 1; next: heedful dataset build" in told
    assert "nothing left to decide" in told
    for _ in range(2):
        built = build(store, workspace)
        assert (built.dropped["awaiting_review"], built.dropped["rejected_in_review"]) == (0, 1)
        assert answers(built) & set(BAD.values()) == {BAD["diagnosis"]}
    assert counted(store) == {"diagnosis": {"accepted": 1}, "dismissive": {"rejected": 1}}
    assert "nothing left to decide" in press(workspace, "")


def test_a_long_answer_is_shown_whole(store: Store, workspace: Workspace) -> None:
    said = [f"word{number}" for number in range(90)]
    take_in(store, [chat("Why am I so tired?", f"You have depression. {' '.join(said)}")])
    build(store, workspace)
    shown = press(workspace, "sss")
    assert [word for word in said if word not in shown.split()] == []


def test_skip_undo_and_quit(store: Store, workspace: Workspace) -> None:
    build(store, workspace)
    assert "there is nothing to undo" in press(workspace, "usq")
    assert counted(store) == {"diagnosis": {"awaiting": 1}, "dismissive": {"awaiting": 1}}
    press(workspace, "auarq")
    assert counted(store) == {"diagnosis": {"accepted": 1}, "dismissive": {"rejected": 1}}
    press(workspace, "")
    with store.snapshot() as session:
        trail = [(event.action, event.detail) for event in session.scalars(select(AuditEvent).where(AuditEvent.action == "review"))]
    assert [detail["status"] for _, detail in trail] == ["accepted", "awaiting", "accepted", "rejected"]
    assert all(set(detail) == {"rule", "status"} for _, detail in trail)


def editor(folder: Path, script: str) -> str:
    """An editor that needs nobody: a shell script that gets the path of the text."""
    path = folder / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


def test_an_edit_stands_in_the_dataset_and_the_original_stays(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    first = build(store, workspace)
    command = editor(tmp_path, """printf 'You sound worn out. Would a doctor be somebody to ask?' > "$1" """)
    assert "accepted 0, edited 1, rejected 0" in press(workspace, "eq", EDITOR=command, VISUAL=command)
    assert sorted(path.name for path in workspace.datasets.iterdir()) == [first.id]  # nothing of the text is left behind
    built = build(store, workspace)
    assert answers(built) - answers(first) == {"You sound worn out. Would a doctor be somebody to ask?"}
    with store.snapshot() as session:
        as_they_came = {one.conversation.answers[0] for one in iterate_conversations(session)}
        assert BAD["diagnosis"] in as_they_came
        assert b"worn out" not in session.scalars(select(Correction.sealed_content)).one()
    press(workspace, "u")
    assert counted(store)["diagnosis"] == {"edited": 1}  # another sitting undoes nothing


def test_undo_of_an_edit_brings_back_what_stood_there(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    build(store, workspace)
    command = editor(tmp_path, """printf 'Get over it.' > "$1" """)
    press(workspace, "eq", VISUAL=command)
    build(store, workspace)  # the correction meets another rule, so it waits again
    assert counted(store) == {"diagnosis": {"edited": 1}, "dismissive": {"awaiting": 2}}
    other = editor(tmp_path, """printf 'Tell me more.' > "$1" """)
    press(workspace, "euq", VISUAL=other)
    with store.snapshot() as session:
        texts = [one.conversation.answers[0] for one in iterate_conversations(session, corrected=True)]
    assert "Get over it." in texts and "Tell me more." not in texts


def test_an_editor_that_changes_nothing_decides_nothing(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    build(store, workspace)
    assert "nothing was changed, so nothing is decided" in press(workspace, "eq", VISUAL=editor(tmp_path, "true"))
    assert "nothing was changed" in press(workspace, "eq", VISUAL=editor(tmp_path, """printf '' > "$1" """))
    done = CliRunner().invoke(app, ["--workspace", str(workspace.root)], input="e", env={"VISUAL": editor(tmp_path, "exit 3")})
    assert done.exit_code == 1 and "did not end well" in done.output
    assert counted(store)["diagnosis"] == {"awaiting": 1}


def test_json_counts_and_asks_nothing(store: Store, workspace: Workspace) -> None:
    build(store, workspace)
    done = CliRunner().invoke(app, ["--workspace", str(workspace.root), "--json"], input="rr")
    assert json.loads(done.stdout) == {
        "awaiting": 2,
        "may_be_read": 2,
        "rules": {"diagnosis": {"awaiting": 1}, "dismissive": {"awaiting": 1}},
    }


def test_whose_person_did_not_allow_a_review_is_not_shown(store: Store, workspace: Workspace) -> None:
    with store.session() as session:
        ann = find_or_add_persons(session, {"ann"})["ann"].id
        decide(session, ann, Statement("training", "granted", "tester"))
    take_in(store, [chat("Where did the summer go?", "You are bipolar.")], "ann")
    build(store, workspace)
    told = press(workspace, "sss")
    assert "You are bipolar" not in told
    assert "1 more wait, but their persons did not allow a review" in told
    with store.session() as session:
        decide(session, ann, Statement("review", "granted", "tester"))
    assert "You are bipolar" in press(workspace, "sss")


def test_a_contradiction_ends_when_one_of_the_two_is_rejected(store: Store, workspace: Workspace) -> None:
    take_in(store, [chat("Is asthma contagious?", "No."), chat("is asthma contagious", "Yes, it is.")])
    built = build(store, workspace)
    assert built.dropped["conflicting_answers"] == 2
    press(workspace, "ssrq")
    built = build(store, workspace)
    assert (built.dropped["conflicting_answers"], built.dropped["rejected_in_review"]) == (0, 1)
    assert "Yes, it is." in answers(built)
    assert counted(store)["conflicting_answers"] == {"rejected": 1}


def test_a_rule_that_is_met_no_more_waits_no_more(store: Store, workspace: Workspace) -> None:
    build(store, workspace)
    with store.session() as session:
        session.add(ReviewItem(conversation_id=1, rule="dosage", spans=[]))
        session.add(ReviewItem(conversation_id=2, rule="dosage", spans=[], status="accepted"))
    build(store, workspace)
    assert counted(store)["dosage"] == {"accepted": 1}
    with store.snapshot() as session:
        assert decisions(session) == {2: {"dosage": "accepted"}}


def test_single_keys_at_a_real_terminal(store: Store, workspace: Workspace) -> None:
    build(store, workspace)
    controller, terminal = pty.openpty()
    command = [sys.executable, "-c", "from heedful.cli.main import run; run()", "review", "--workspace", str(workspace.root)]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "dumb"})
    os.close(terminal)
    seen = b""
    for waited_for, key in ((b"1 of 2", b"r"), (b"2 of 2", b"a"), (b"nothing left to decide", b"")):
        while waited_for not in seen:
            assert polling.select([controller], [], [], 200)[0], seen
            seen += os.read(controller, 4096)
        os.write(controller, key)  # no Enter
    assert process.wait(200) == 0
    os.close(controller)
    assert counted(store) == {"diagnosis": {"rejected": 1}, "dismissive": {"accepted": 1}}
