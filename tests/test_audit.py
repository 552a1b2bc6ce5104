"""The audit trail: what is listed, and every kind of tampering past the program, found and named. Raw SQLite tampers."""

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.registry.aliases import point
from heedful.store.audit import START, Head, hash_of, head, record
from heedful.store.audit_check import Anchor, check_trail
from heedful.store.consent import Statement, decide
from heedful.store.database import Store, open_store
from heedful.store.persons import find_or_add_persons
from heedful.store.schema import AuditEvent, DatasetVersion, ModelVersion
from heedful.workspace import Workspace


@pytest.fixture
def store(workspace: Workspace):
    """Six events: three plain, two that vouch for decisions, one for an alias."""
    opened = open_store(workspace.database)
    with opened.session() as session:
        for number in range(3):
            record(session, "ann", "import", f"import {number}", {"added": number})
        ann = find_or_add_persons(session, ["p-1"])["p-1"].id
        decide(session, ann, Statement("training", "granted", "ben"))
        decide(session, ann, Statement("training", "withdrawn", "ben"))
        session.add(DatasetVersion(id="ds-1", manifest_sha256="0" * 64, counts={}, settings={}))
        session.flush()
        session.add(ModelVersion(id="m-1", dataset_id="ds-1", base="tiny", adapter_sha256="0" * 64))
        session.flush()
        point(session, "champion", "m-1", "ann", "first")
    yield opened
    opened.close()


def findings(store: Store, *anchors: Anchor) -> list[tuple[int | None, str]]:
    with store.snapshot() as session:
        return [(finding.event, finding.problem) for finding in check_trail(session, anchors)]


def newest(store: Store) -> Head:
    with store.snapshot() as session:
        return head(session)


def tamper(path: Path, *statements: str) -> None:
    """As somebody would who has the file: the triggers first."""
    with sqlite3.connect(path) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)


def test_an_untouched_trail_is_whole(store: Store) -> None:
    assert newest(store).event == 6
    assert findings(store, Anchor("a note", newest(store)), Anchor("an empty trail", Head(0, START))) == []


@pytest.mark.parametrize("column", ["actor = 'eve'", "detail = '{}'", "created_at = '2020-01-01 00:00:00.000000'", "subject = 'x'"])
def test_a_changed_event_is_named(store: Store, workspace: Workspace, column: str) -> None:
    tamper(workspace.database, f"UPDATE audit_events SET {column} WHERE id = 2")
    assert findings(store) == [(2, "event 2 was changed after it was written")]


def test_an_event_that_was_changed_together_with_its_hash_is_found_by_the_next(store: Store, workspace: Workspace) -> None:
    with store.snapshot() as session:
        event = session.get_one(AuditEvent, 2)
        event.actor = "eve"
        forged = hash_of(event)
        session.expunge(event)
    tamper(workspace.database, f"UPDATE audit_events SET actor = 'eve', hash = '{forged}' WHERE id = 2")
    assert findings(store) == [(3, "event 3 does not follow from event 2: one of them was rewritten")]


def test_a_removed_event_is_found(store: Store, workspace: Workspace) -> None:
    tamper(workspace.database, "DELETE FROM audit_events WHERE id = 2")
    assert findings(store) == [(3, "event 3 follows event 1: events between them were removed")]


def test_a_trail_that_was_cut_off_is_found_by_what_was_written_down(store: Store, workspace: Workspace) -> None:
    anchor = Anchor("receipts/er-1.json", newest(store))
    tamper(workspace.database, "DELETE FROM audit_events WHERE id = 6", "DELETE FROM alias_events")
    assert findings(store) == []
    assert findings(store, anchor) == [(None, "receipts/er-1.json names event 6, which is gone: the trail was cut off")]
    with store.session() as session:
        record(session, "eve", "import", "import 9", {})
    assert findings(store, anchor) == [(6, "event 6 is not the one that receipts/er-1.json names: it was rewritten")]


def test_rows_of_other_histories_are_vouched_for(store: Store, workspace: Workspace) -> None:
    tamper(workspace.database, "UPDATE consent_events SET decision = 'granted' WHERE id = 2", "DELETE FROM alias_events")
    assert findings(store) == [
        (5, "consent_events 2 is not what event 5 vouches for: changed or removed"),
        (6, "alias_events 1 is not what event 6 vouches for: changed or removed"),
    ]


def test_a_row_that_was_slipped_in_is_found(store: Store, workspace: Workspace) -> None:
    tamper(
        workspace.database,
        "INSERT INTO alias_events (alias, from_model, to_model, actor, reason, created_at) "
        "VALUES ('champion', 'm-1', NULL, 'eve', '', '2026-01-01 00:00:00.000000')",
    )
    assert findings(store) == [(None, "alias_events has 1 rows that no event vouches for: they were added past the program")]


def call(workspace: Workspace, *words: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, [*words, "--json", "--workspace", str(workspace.root)])
    return done.exit_code, json.loads(done.stdout)


def test_the_verbs(store: Store, workspace: Workspace) -> None:
    code, listed = call(workspace, "audit")
    assert code == 0
    assert [(e["id"], e["actor"], e["action"], e["subject"]) for e in listed["events"]] == [
        (1, "ann", "import", "import 0"),
        (2, "ann", "import", "import 1"),
        (3, "ann", "import", "import 2"),
        (4, "ben", "consent.granted", "person 1"),
        (5, "ben", "consent.withdrawn", "person 1"),
        (6, "ann", "alias", "champion"),
    ]
    for words, ids in {
        ("--actor", "ben"): [4, 5],
        ("--action", "consent"): [4, 5],
        ("--action", "con"): [],
        ("--subject", "import 1"): [2],
        ("--limit", "2"): [5, 6],
        ("--since", "2999-01-01"): [],
    }.items():
        assert [event["id"] for event in call(workspace, "audit", *words)[1]["events"]] == ids, words
    assert call(workspace, "audit", "--since", "soon")[1]["error"] == "--since 'soon' is no day"

    code, told = call(workspace, "audit", "verify")
    assert (code, told["whole"], told["anchors"]) == (0, True, 0)
    written_down = f"{told['head']['event']}:{told['head']['hash']}"
    tamper(workspace.database, "UPDATE audit_events SET actor = 'eve' WHERE id = 3")
    code, told = call(workspace, "audit", "verify", "--head", written_down)
    assert (code, told["whole"], [finding["event"] for finding in told["findings"]]) == (1, False, [3])
    assert call(workspace, "audit", "verify", "--head", "6")[1]["error"] == "--head '6' is not EVENT:HASH"
