"""Vault: what opens and names the sealed rows of a workspace. A session in; keys of persons, keyed hashes and sealed texts out.

The master key wraps one secret for all keyed hashes and one key for each person (or import, for rows that name nobody). So the
master key changes without touching a text, and a person's texts are gone for good when their key is. Keys are looked up when
they are first needed: a verb that reads no text needs no master key.
"""

import hashlib
import hmac
import uuid
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.store.batches import batches
from heedful.store.cipher import Key, new_key, seal, unseal
from heedful.store.ledger import Ledger, reseal
from heedful.store.master_key import KEY_FILE, VARIABLE, candidates, find_or_make
from heedful.store.schema_trust import DataKey, VaultRow
from heedful.workspace import Workspace

ONLY = 1  # id of the one row of `vault`
INDEX_KEY = "index key"  # place of the secret of all keyed hashes
KEYS_KEPT = 5_000  # opened keys that a session holds, 2.5 KB each; more are opened again when they are needed
BATCH = 4_000
INFO = "keyring"  # where a session carries its keyring


@dataclass(slots=True)
class Keyring:
    """The opened keys of one session. `root` is where the file of the master key may lie."""

    root: Path
    master: Key | None = None
    master_bytes: bytes = b""
    index_key: bytes = b""
    opened: dict[str, Key] = field(default_factory=dict)


def keyring(session: Session) -> Keyring:
    """With master and index key opened. Raises StoreError when there is no master key, or when it is another one."""
    ring: Keyring = session.info[INFO]
    if ring.master is None:
        row = session.get(VaultRow, ONLY)
        if row is None:
            raise StoreError("the database has no vault", "restore it from a backup")
        ring.master_bytes, ring.index_key = open_with_any(ring.root, (row.sealed_index_key,))
        ring.master = Key(ring.master_bytes)
    return ring


def open_with_any(root: Path, sealed: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The master key that fits one of the sealed index keys, and what it opens."""
    found = candidates(root)
    if not found:
        raise StoreError(
            f"there is no master key: {VARIABLE} is not set and {root / KEY_FILE} is not there",
            f"restore {KEY_FILE}, or set {VARIABLE}",
        )
    for (_, key), one in product(found, sealed):
        try:
            return key, unseal(Key(key), one, INDEX_KEY)
        except StoreError:
            continue
    raise StoreError(f"the master key of {found[0][0]} is not the one of this workspace", f"restore {KEY_FILE}, or set {VARIABLE}")


def make_vault(session: Session, ledger: Ledger | None) -> None:
    """The one row of a new database. With a ledger of erasures it goes on with the secret of that.

    Raises StoreError when no key file can be written, or when the master key does not open the ledger.
    """
    ring: Keyring = session.info[INFO]
    if ledger is None:
        ring.master_bytes, ring.index_key = find_or_make(ring.root), new_key()
    else:
        ring.master_bytes, ring.index_key = open_with_any(ring.root, ledger.sealed_index_keys)
    ring.master = Key(ring.master_bytes)
    sealed = seal(ring.master, ring.index_key, INDEX_KEY)
    if ledger is not None:
        reseal(Workspace(ring.root).ledger, sealed)
    session.add(VaultRow(id=ONLY, generation=1, sealed_index_key=sealed))
    session.flush()


def digest(session: Session, kind: str, text: str) -> str:
    """A keyed hash (HMAC-SHA256, hex): equal for equal texts of one kind, and of no use to somebody without the keys."""
    return hmac.digest(keyring(session).index_key, f"{kind}\0{text}".encode(), hashlib.sha256).hex()


def make_keys(session: Session, count: int) -> list[str]:
    """Ids of `count` new keys, which are open already."""
    if count == 0:
        return []
    ring = keyring(session)
    assert ring.master is not None, "keyring opens it"
    fresh = {uuid.uuid4().hex: new_key() for _ in range(count)}
    rows = [{"id": key_id, "sealed_key": seal(ring.master, key, place_of_key(key_id))} for key_id, key in fresh.items()]
    session.execute(insert(DataKey), rows)
    ring.opened |= {key_id: Key(key) for key_id, key in fresh.items()}
    return list(fresh)


def open_keys(session: Session, key_ids: Set[str]) -> None:
    """Look up the keys of a batch at once, before they are asked for one by one."""
    ring = keyring(session)
    if len(ring.opened) + len(key_ids) > KEYS_KEPT:
        ring.opened.clear()
    for batch in batches(sorted(key_ids - ring.opened.keys()), BATCH):
        for key_id, sealed in session.execute(select(DataKey.id, DataKey.sealed_key).where(DataKey.id.in_(batch))):
            open_key(session, key_id, sealed)


def find_key(session: Session, key_id: str) -> Key:
    """Raises StoreError when the key is gone."""
    known = session.info[INFO].opened.get(key_id)
    if known is not None:
        return known  # type: ignore[no-any-return]
    sealed = session.scalar(select(DataKey.sealed_key).where(DataKey.id == key_id))
    if sealed is None:
        raise StoreError(f"key {key_id} is gone, so what it sealed cannot be read", "restore the database from a backup")
    return open_key(session, key_id, sealed)


def open_key(session: Session, key_id: str, sealed: bytes) -> Key:
    """The key of a row that was read already; an opened one is used again."""
    ring = keyring(session)
    known = ring.opened.get(key_id)
    if known is None:
        if len(ring.opened) >= KEYS_KEPT:
            ring.opened.clear()
        assert ring.master is not None, "keyring opens it"
        known = ring.opened[key_id] = Key(unseal(ring.master, sealed, place_of_key(key_id)))
    return known


def place_of_key(key_id: str) -> str:
    return f"data key:{key_id}"


def seal_text(session: Session, key_id: str, text: str, place: str) -> bytes:
    return seal(find_key(session, key_id), text.encode(), place)


def unseal_text(session: Session, key_id: str, sealed: bytes, place: str) -> str:
    return unseal(find_key(session, key_id), sealed, place).decode()
