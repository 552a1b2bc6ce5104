"""The database: opening and migrating, transactions, refusals, history that cannot be rewritten. Real SQLite files."""

import logging
import re
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, delete, func, insert, select, text, update
from sqlalchemy.exc import StatementError

from heedful.errors import StoreError
from heedful.store.audit import record
from heedful.store.database import WRITES, Store, connect, open_store, schema_state
from heedful.store.schema import AliasEvent, AuditEvent, Base, ConversationRow, MessageRow, Person, Run
from heedful.store.schema_version import head_revision, is_empty, upgrade

HEAD = head_revision()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "heedful.db"


@pytest.fixture
def store(database: Path):
    opened = open_store(database, wait_s=0.05)
    yield opened
    opened.close()


def persons(store: Store) -> int:
    with store.snapshot() as session:
        return session.scalar(select(func.count(Person.id)))


def definitions(path: Path) -> dict[str, str]:
    """Name -> CREATE statement of every table and index but Alembic's own."""
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL"
        ).fetchall()
    return {name: re.sub(r"\s+", " ", sql) for name, sql in found if not name.startswith(("alembic", "sqlite"))}


def test_a_new_database_is_in_wal_mode_with_foreign_keys(store: Store) -> None:
    with store.snapshot() as session:
        pragmas = {
            name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 50}


def test_schema_state_makes_nothing(database: Path) -> None:
    assert schema_state(database) == (None, HEAD)
    assert not database.exists()
    open_store(database).close()
    assert schema_state(database) == (HEAD, HEAD)


def test_autogenerate_finds_nothing_to_do(store: Store) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrations_make_the_very_statements_of_the_schema(store: Store, database: Path, tmp_path: Path) -> None:
    """Stricter than autogenerate, which does not see checks, cascades or AUTOINCREMENT."""
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    made, migrated = definitions(tmp_path / "made.db"), definitions(database)
    assert sorted(made) == sorted(migrated)
    for name, statement in made.items():
        assert parts(migrated[name]) == parts(statement)


def parts(statement: str) -> list[str]:
    """Columns and constraints, in any order."""
    return sorted(part.strip(" ,()") for part in re.split(r",(?![^(]*\))", statement.partition("(")[2]))


def test_migrating_leaves_logging_as_it_was(database: Path) -> None:
    mine = logging.getLogger("somebody")
    before = (logging.root.level, list(logging.root.handlers), mine.disabled)
    open_store(database).close()
    assert (logging.root.level, list(logging.root.handlers), mine.disabled) == before


def test_a_broken_upgrade_leaves_nothing(database: Path) -> None:
    engine = connect(database, 1)
    with pytest.raises(KeyboardInterrupt), engine.connect().execution_options(**{WRITES: True}) as writer, writer.begin():
        upgrade(writer)
        assert not is_empty(writer)
        raise KeyboardInterrupt
    with engine.connect() as reader:
        assert is_empty(reader)
    engine.dispose()


def test_a_newer_database_is_refused(database: Path) -> None:
    open_store(database).close()
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError) as refused:
        open_store(database)
    assert refused.value.text == f"{database} has schema 9999, newer than {HEAD}, the newest that this version of Heedful knows"
    assert refused.value.next_step == "pip install --upgrade heedful"
    assert schema_state(database) == ("9999", HEAD)


def test_what_is_no_database_of_ours_is_refused_and_left_alone(database: Path, tmp_path: Path) -> None:
    database.write_bytes(b"just some text, long enough to be read as a header of a database" * 20)
    before = database.read_bytes()
    for look in (open_store, schema_state):
        with pytest.raises(StoreError) as refused:
            look(database)
        assert refused.value.text == f"{database} is not a SQLite database"
    assert database.read_bytes() == before

    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE recipes (id)")
    with pytest.raises(StoreError, match="is a SQLite database, but not one of Heedful"):
        open_store(other)
    assert list(definitions(other)) == ["recipes"]


def test_without_migrate_nothing_is_made(database: Path) -> None:
    with pytest.raises(StoreError, match="there is no database at"):
        open_store(database, migrate=False)
    assert not database.exists()
    database.touch()
    with pytest.raises(StoreError, match=f"has schema None, this version of Heedful needs {HEAD}"):
        open_store(database, migrate=False)
    open_store(database).close()
    open_store(database, migrate=False).close()


def test_no_directory_to_write_in(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened") as refused:
        open_store(tmp_path / "missing" / "heedful.db")
    assert refused.value.next_step == "check that its directory exists and that you may write to it"


def test_another_writer_is_waited_for_then_named(store: Store, database: Path) -> None:
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as refused, store.session():
        pytest.fail("the lock must be taken before any work")
    assert refused.value.text == f"{database} is in use by another program"
    assert persons(store) == 0  # readers go on
    other.execute("ROLLBACK")
    other.close()
    with store.session() as session:
        session.add(Person(lookup="a" * 64))
    assert persons(store) == 1


def test_a_locked_new_database(database: Path) -> None:
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="is in use by another program"):
        open_store(database, wait_s=0.05)
    other.close()


def test_a_session_is_one_transaction(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.session() as session:
        session.add(Person(lookup="a" * 64))
        session.flush()
        record(session, "me", "add", "a", {})
        _ = 1 / 0
    assert persons(store) == 0
    with store.session() as session:
        session.add(Person(lookup="a" * 64))
    assert persons(store) == 1


def test_a_snapshot_sees_one_state_and_refuses_to_write(store: Store) -> None:
    with store.snapshot() as reading:
        assert reading.scalar(select(func.count(Person.id))) == 0
        with store.session() as writing:
            writing.add(Person(lookup="a" * 64))
        assert reading.scalar(select(func.count(Person.id))) == 0
    with pytest.raises(StoreError, match="cannot be written to"), store.snapshot() as reading:
        reading.execute(delete(Person))
    assert persons(store) == 1


@pytest.mark.parametrize("table", [AuditEvent, AliasEvent])
def test_history_is_append_only(store: Store, table: type[AuditEvent] | type[AliasEvent]) -> None:
    with store.session() as session:
        record(session, "me", "import", "file.csv", {"rows": 3})
        session.add(AliasEvent(alias="champion", from_model=None, to_model=None, actor="me", reason="first"))
    for statement in (update(table).values(actor="you"), delete(table)):
        with pytest.raises(StoreError, match=f"refused: {table.__tablename__} is append-only"), store.session() as session:
            session.execute(statement)
    with store.snapshot() as session:
        assert [event.actor for event in session.scalars(select(table))] == ["me"]


def test_audit_events_keep_what_was_recorded(store: Store) -> None:
    before = datetime.now(UTC)
    with store.session() as session:
        record(session, "me", "import", "file.csv", {"rows": 3})
    with store.snapshot() as session:
        event = session.scalars(select(AuditEvent)).one()
    assert (event.actor, event.action, event.subject, event.detail) == ("me", "import", "file.csv", {"rows": 3})
    assert event.created_at.utcoffset() == timedelta(0)
    assert before <= event.created_at <= datetime.now(UTC)


def test_times_are_utc_and_aware(store: Store) -> None:
    noon_in_rome = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    with store.session() as session:
        session.add(Run(kind="train", started_at=noon_in_rome))
    with store.snapshot() as session:
        run = session.scalars(select(Run)).one()
    assert (run.status, run.detail, run.ended_at) == ("running", {}, None)
    assert run.started_at == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert run.started_at.utcoffset() == timedelta(0)
    with pytest.raises(StatementError, match="a time without a zone cannot be stored"), store.session() as session:
        session.add(Run(kind="train", started_at=datetime(2026, 1, 1)))


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (insert(Run).values(kind="train", status="bored"), "CHECK constraint failed"),
        (insert(Run).values(kind="train", dataset_id="ds-none"), "FOREIGN KEY constraint failed"),
        (
            insert(ConversationRow).values(
                import_id=7, row=1, fingerprint="f" * 64, occurrence=0, key_id="0" * 32, sealed_group=b""
            ),
            "FOREIGN KEY constraint failed",
        ),
    ],
)
def test_wrong_values_and_missing_partners_are_refused(store: Store, statement, refusal: str) -> None:
    with pytest.raises(StoreError, match=refusal), store.session() as session:
        session.execute(statement)


def test_errors_hold_no_text_of_a_person(store: Store) -> None:
    with pytest.raises(StoreError) as refused, store.session() as session:
        session.add(MessageRow(conversation_id=1, position=0, role="robot", sealed_content=b"something private"))
    assert "private" not in refused.value.text
    assert "private" not in str(refused.value.__cause__)


def test_ids_of_removed_rows_do_not_come_back(store: Store) -> None:
    for key in ("a", "b"):
        with store.session() as session:
            session.add(Person(lookup=key * 64))
            session.flush()
            last = session.scalar(select(func.max(Person.id)))
            session.execute(delete(Person))
    assert last == 2
