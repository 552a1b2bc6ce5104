"""The database of a workspace: a path in, a Store out whose sessions are transactions.

SQLite runs in WAL mode, so readers and one writer work side by side. A writer takes its lock when it begins, not at its first
write: SQLite cannot upgrade a reader whose data somebody else changed meanwhile, and would fail without waiting.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.store.ledger import read_ledger
from heedful.store.refusals import as_store_errors
from heedful.store.schema_trust import VaultRow
from heedful.store.schema_version import current_revision, head_revision, is_empty, known_revisions, upgrade
from heedful.store.vault import INFO, ONLY, Keyring, make_vault
from heedful.workspace import Workspace

WAIT_S = 10.0
WRITES = "heedful_writes"  # execution option of a connection: this transaction may write


@dataclass(frozen=True, slots=True)
class Store:
    """An open database. Threads may share it; each session belongs to one thread."""

    database: Path
    engine: Engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction that may write: commit at the end, rollback on any error.

        Raises StoreError when another writer does not finish in time, or when the database refuses a write.
        """
        with as_store_errors(self.database), self._begin() as session, session.begin():
            session.connection(execution_options={WRITES: True})
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """One transaction that only reads: it sees one state of the database, waits for no one, and a write in it is refused."""
        with as_store_errors(self.database), self._begin() as session, session.begin():
            session.connection()
            yield session

    def _begin(self) -> Session:
        return Session(self.engine, expire_on_commit=False, info={INFO: Keyring(self.database.parent)})

    def compact(self) -> None:
        """Write the file anew without the pages of removed rows, and empty the log.

        Raises StoreError while another program reads: the log then still holds what it reads.
        """
        with as_store_errors(self.database), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("PRAGMA query_only = OFF")
            cursor.execute("VACUUM")
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(f"{self.database} is read by another program, so removed rows are still in its log", "try again")

    def close(self) -> None:
        self.engine.dispose()


def open_store(database: Path, migrate: bool = True, wait_s: float = WAIT_S) -> Store:
    """Open the database; with `migrate`, make it or bring it to this version first.

    `wait_s` is how many seconds a writer waits for another one.

    Raises StoreError: no such file or an older version (without `migrate`), a newer version, not a database of Heedful, locked.
    """
    if not migrate and not database.exists():
        raise StoreError(f"there is no database at {database}", "heedful import FILE makes one")
    store = Store(database, connect(database, wait_s))
    try:
        with as_store_errors(database):
            bring_to_head(store, migrate)
    except BaseException:
        store.close()
        raise
    return store


def schema_state(database: Path) -> tuple[str | None, str]:
    """(revision of the database, newest known revision). The first is None for a missing or empty database. Makes nothing."""
    if not database.exists():
        return None, head_revision()
    store = Store(database, connect(database, WAIT_S))
    try:
        with store.snapshot() as session:
            return current_revision(session.connection()), head_revision()
    finally:
        store.close()


def bring_to_head(store: Store, migrate: bool) -> None:
    head = head_revision()
    with store.engine.begin() as reader:
        if current_revision(reader) == head:
            return  # the usual case, without a lock
    with store.engine.connect().execution_options(**{WRITES: True}) as writer, writer.begin():
        current = current_revision(writer)
        refuse_foreign(store.database, current, head, is_empty(writer))
        if current != head and not migrate:
            raise StoreError(
                f"{store.database} has schema {current}, this version of Heedful needs {head}", "heedful import FILE upgrades it"
            )
        upgrade(writer)
        session = Session(writer, info={INFO: Keyring(store.database.parent)})
        if session.get(VaultRow, ONLY) is None:
            make_vault(session, read_ledger(Workspace(store.database.parent).ledger))


def refuse_foreign(database: Path, current: str | None, head: str, empty: bool) -> None:
    """Raises StoreError for a database of a newer Heedful, or of another program."""
    if current is None and not empty:
        raise StoreError(f"{database} is a SQLite database, but not one of Heedful", "move that file away")
    if current is not None and current not in known_revisions():
        raise StoreError(
            f"{database} has schema {current}, newer than {head}, the newest that this version of Heedful knows",
            "pip install --upgrade heedful",
        )


def connect(database: Path, wait_s: float) -> Engine:
    """An engine that knows how we use SQLite. Values of statements are kept out of its errors, for they are texts of people."""
    engine = create_engine(URL.create("sqlite", database=str(database)), hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # Python would begin too late, and not at all for DDL; `begin` below does it
        connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten with zeros
        connection.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a power cut cannot damage the file

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
