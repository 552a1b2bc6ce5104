"""Rotation: a new master key in; the same keys, sealed by it, out. No text is touched, so it takes no longer for more of them.

The new key lies beside the old one before the transaction that seals with it, so that at every moment one of the two fits. A kill
before the commit leaves the old key in force, one after it the new; `settle` then removes the other.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.config import read_secret
from heedful.errors import StoreError
from heedful.store.audit import record
from heedful.store.cipher import Key, new_key, seal, unseal
from heedful.store.database import Store
from heedful.store.ledger import read_ledger, reseal
from heedful.store.master_key import KEY_FILE, NEXT_FILE, NEXT_VARIABLE, VARIABLE, decode, write_key
from heedful.store.schema import utc_now
from heedful.store.schema_trust import DataKey, VaultRow
from heedful.store.vault import INDEX_KEY, ONLY, keyring, place_of_key
from heedful.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Rotated:
    """`generation` counts the master keys of this workspace. `in_environment`: somebody has to set the variable now."""

    generation: int
    keys: int
    in_environment: bool


def rotate(store: Store, actor: str) -> Rotated:
    """Raises StoreError when the present key does not fit, or when the environment gives it but not the next one."""
    root = store.database.parent
    settle(store)
    in_environment = read_secret(VARIABLE) is not None
    fresh = next_of_environment() if in_environment else new_key()
    with store.session() as session:
        row = session.get_one(VaultRow, ONLY)
        before, keys = row.sealed_index_key, session.scalars(select(DataKey)).all()
        keyring(session)  # raises for a wrong key, before anything is written
        if not in_environment:
            write_key(root / NEXT_FILE, fresh)
        seal_again(session, row, Key(fresh))
        reseal(Workspace(root).ledger, before, row.sealed_index_key)
        record(session, actor, "vault.rotate", f"generation {row.generation}", {"keys": len(keys)})
        rotated = Rotated(row.generation, len(keys), in_environment)
    settle(store)
    return rotated


def next_of_environment() -> bytes:
    given = read_secret(NEXT_VARIABLE)
    if given is None:
        raise StoreError(
            f"the master key is in {VARIABLE}, so the next one must be in {NEXT_VARIABLE}", "heedful vault new-key prints one"
        )
    return decode(given, NEXT_VARIABLE)


def seal_again(session: Session, row: VaultRow, master: Key) -> None:
    ring = keyring(session)
    assert ring.master is not None, "keyring opens it"
    row.sealed_index_key = seal(master, ring.index_key, INDEX_KEY)
    row.generation, row.rotated_at = row.generation + 1, utc_now()
    for key in session.scalars(select(DataKey)):
        key.sealed_key = seal(master, unseal(ring.master, key.sealed_key, place_of_key(key.id)), place_of_key(key.id))
    session.flush()


def settle(store: Store) -> None:
    """End a rotation that was killed: the key that fits becomes master.key, the other goes. Waits for one that is under way."""
    root = store.database.parent
    ledger = read_ledger(Workspace(root).ledger)
    if not (root / NEXT_FILE).exists() and (ledger is None or len(ledger.sealed_index_keys) == 1):
        return
    with store.session() as session:  # a rotation holds this lock from its first file to its commit
        sealed = session.get_one(VaultRow, ONLY).sealed_index_key
        if fits(root / NEXT_FILE, sealed):
            (root / NEXT_FILE).replace(root / KEY_FILE)
        elif fits(root / KEY_FILE, sealed):
            (root / NEXT_FILE).unlink(missing_ok=True)
        reseal(Workspace(root).ledger, sealed)


def fits(path: Path, sealed: bytes) -> bool:
    if not path.is_file():
        return False
    try:
        unseal(Key(decode(path.read_text(encoding="ascii", errors="replace"), str(path))), sealed, INDEX_KEY)
    except StoreError:
        return False
    return True
