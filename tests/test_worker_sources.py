"""What every run of the worker imports first: files and queries of the team, only what is new, and what cannot be read."""

import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import func, select

from heedful.config import load_settings
from heedful.errors import ConfigError, RunCancelled
from heedful.lifecycle.loop.requests import request_loop
from heedful.lifecycle.loop.steps import gather
from heedful.lifecycle.loop.work import Work
from heedful.store.database import Store, open_store
from heedful.store.schema import ConversationRow
from heedful.store.training_runs import claim_next, get_run, list_events, request_cancel, set_state
from heedful.workspace import Workspace


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    yield opened
    opened.close()


def write_rows(path: Path, numbers: range, person: str | None = None) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"On day {number} I could not sleep, {path.stem}."},
                {"role": "assistant", "content": f"What kept you awake on day {number}?"},
            ],
            **({} if person is None else {"person": person}),
        }
        for number in numbers
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def sources(workspace: Workspace, *given: dict[str, object]) -> None:
    workspace.config_file.write_text(json.dumps({"base": "tiny", "worker": {"sources": given}}))


def gathered(workspace: Workspace, store: Store) -> tuple[bool, dict[str, object], list[tuple[str, str]]]:
    """A run whose first step is carried out: (whether there is more to do, what it noted, what it told)."""
    with store.session() as session:
        run_id = request_loop(session, "ada").id
        claim_next(session)
    work = Work(workspace, store, load_settings(workspace.config_file), run_id)
    more = gather(work)
    with store.session() as session:
        told = [(event.level, event.message) for event in reversed(list_events(session, run_id, "message"))]
        set_state(session, get_run(session, run_id), "succeeded")
    return more, work.run.metrics, told


def count(store: Store) -> int:
    with store.snapshot() as session:
        return session.scalar(select(func.count()).select_from(ConversationRow)) or 0


def test_a_folder_and_a_query_are_imported_and_later_only_what_is_new(workspace: Workspace, store: Store) -> None:
    folder, database = workspace.root / "exports", workspace.root.parent / "app.db"
    folder.mkdir()
    write_rows(folder / "may.jsonl", range(4), person="p-1")
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE faq (question TEXT, answer TEXT)")
        connection.executemany("INSERT INTO faq VALUES (?, ?)", [(f"What is anxiety {n}?", f"A feeling, {n}.") for n in range(3)])
    query = {"query": "SELECT question, answer FROM faq", "url": f"sqlite:///{database}", "basis": "owned"}
    sources(workspace, {"path": "exports", "basis": "consent", "purposes": ["training", "review"]}, query)

    more, noted, told = gathered(workspace, store)
    assert (more, noted["imported"], noted["sources_unread"], noted["new"], count(store)) == (True, 7, [], 7, 7)
    assert told == [
        ("info", "source 1 of 2: 4 new conversations, 0 known"),
        ("info", "source 2 of 2: 3 new conversations, 0 known"),
    ]
    assert gathered(workspace, store)[1]["imported"] == 0

    write_rows(folder / "june.jsonl", range(2), person="p-2")
    _, noted, told = gathered(workspace, store)
    assert (noted["imported"], noted["new"], noted["conversations"], count(store)) == (2, 2, 9, 9)
    assert told[0] == ("info", "source 1 of 2: 2 new conversations, 4 known")


def test_what_cannot_be_read_adds_nothing_and_is_one_line_each(workspace: Workspace, store: Store) -> None:
    write_rows(workspace.root / "good.jsonl", range(3))
    bad = workspace.root / "bad.jsonl"
    write_rows(bad, range(3))
    bad.write_text(bad.read_text() + '{"messages": []}\n')
    sources(
        workspace,
        {"path": "missing.csv", "basis": "owned"},
        {"path": "bad.jsonl", "basis": "owned"},
        {"path": "good.jsonl", "basis": "owned", "format": "teapot"},
        {"query": "SELECT 1", "url": "postgresql://ann:secret@host/db", "basis": "owned"},
        {"path": "good.jsonl", "basis": "owned"},
    )
    more, noted, told = gathered(workspace, store)
    assert (more, noted["imported"], noted["sources_unread"], count(store)) == (True, 3, [1, 2, 3, 4], 3)
    assert [level for level, _ in told] == ["error"] * 4 + ["info"]
    lines = [line for _, line in told]
    assert lines[0] == f"source 1 of 5 was left out: {workspace.root}/missing.csv: there is no such file"
    assert lines[1].startswith(f"source 2 of 5 was left out: {bad}, row 4: ")
    assert "format 'teapot' is none of " in lines[2]
    assert "a URL with a password" in lines[3]
    assert "secret" not in "".join(lines)


def test_bad_rows_can_be_left_out(workspace: Workspace, store: Store) -> None:
    bad = workspace.root / "bad.jsonl"
    write_rows(bad, range(3))
    bad.write_text(bad.read_text() + '{"messages": []}\n')
    sources(workspace, {"path": "bad.jsonl", "basis": "owned", "skip_bad": True})
    assert gathered(workspace, store)[2] == [("info", "source 1 of 1: 3 new conversations, 0 known, 1 bad rows left out")]


def test_a_run_that_is_cancelled_while_it_imports_leaves_nothing_of_that_source(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heedful.lifecycle.loop.work.ASK_EVERY_S", -1.0)
    write_rows(workspace.root / "many.jsonl", range(400))
    sources(workspace, {"path": "many.jsonl", "basis": "owned"})
    with store.session() as session:
        run_id = request_loop(session, "ada").id
        claim_next(session)
        request_cancel(session, run_id, "ada")
    with pytest.raises(RunCancelled):
        gather(Work(workspace, store, load_settings(workspace.config_file), run_id))
    assert count(store) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"basis": "owned"},
        {"path": "a", "query": "SELECT 1", "url": "sqlite:///a.db", "basis": "owned"},
        {"query": "SELECT 1", "basis": "owned"},
        {"path": "a", "url": "sqlite:///a.db", "basis": "owned"},
    ],
)
def test_a_source_is_a_path_or_a_query_and_its_url(workspace: Workspace, wrong: dict[str, str]) -> None:
    sources(workspace, wrong)
    with pytest.raises(ConfigError, match="must have a path, or a query and its url"):
        load_settings(workspace.config_file)


def test_a_source_without_a_basis_is_refused(workspace: Workspace) -> None:
    sources(workspace, {"path": "a"})
    with pytest.raises(ConfigError, match=r"worker\.sources\.basis = .*Field required"):
        load_settings(workspace.config_file)
