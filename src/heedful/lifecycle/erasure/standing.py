"""Standing: ledger and database of a workspace in; erasures that were interrupted, and persons who came back from a backup, out."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.store.database import Store
from heedful.store.ledger import Ledger, read_ledger
from heedful.store.schema import Person
from heedful.store.schema_trust import Erasure, VaultRow
from heedful.store.vault import ONLY, keyring, open_with_any
from heedful.workspace import Workspace

RESUME = "heedful erase --resume"


def find_unfinished(session: Session) -> list[Erasure]:
    """Erasures that a kill interrupted, oldest first."""
    return list(session.scalars(select(Erasure).where(Erasure.state != "done").order_by(Erasure.id)))


def check_ledger(workspace: Workspace, store: Store) -> None:
    """Raises StoreError when the database holds somebody who was erased: it is older than the ledger, so a backup was put back."""
    ledger = read_ledger(workspace.ledger)
    if ledger is None:
        return
    with store.snapshot() as session:
        check_same_secret(workspace, session, ledger)
        back, missing = returned(session, ledger), unknown(session, ledger)
    if missing:
        add_unknown(store, ledger)
    if back:
        raise StoreError(f"the database is older than {len(back)} erasures, and holds persons who were erased", RESUME)


def add_unknown(store: Store, ledger: Ledger) -> None:
    """Rows that keep an import from bringing back somebody of whom the database knows nothing."""
    erased_at = {entry.lookup: entry.erased_at for entry in ledger.entries}
    with store.session() as session:
        session.add_all(Person(lookup=lookup, erased_at=erased_at[lookup]) for lookup in unknown(session, ledger))


def check_same_secret(workspace: Workspace, session: Session, ledger: Ledger) -> None:
    """Equal bytes are the usual case, and need no master key."""
    row = session.get(VaultRow, ONLY)
    if row is None or row.sealed_index_key in ledger.sealed_index_keys:
        return
    _, secret = open_with_any(workspace.root, ledger.sealed_index_keys)
    if secret != keyring(session).index_key:
        raise StoreError(
            f"{workspace.ledger} belongs to another workspace than {workspace.database}",
            "move away the one that does not belong here",
        )


def returned(session: Session, ledger: Ledger) -> list[int]:
    """Ids of persons whom the ledger knows as erased, and the database does not."""
    lookups = [entry.lookup for entry in ledger.entries]
    query = select(Person.id).where(Person.lookup.in_(lookups), Person.erased_at.is_(None))
    return list(session.scalars(query.order_by(Person.id)))


def unknown(session: Session, ledger: Ledger) -> list[str]:
    """Keyed hashes that the database never had, or no longer has."""
    lookups = [entry.lookup for entry in ledger.entries]
    there = set(session.scalars(select(Person.lookup).where(Person.lookup.in_(lookups))))
    return [lookup for lookup in lookups if lookup not in there]
