"""Ledger of erasures: keyed hashes of persons who must stay erased, in a file beside the database that outlives it.

The database could be replaced by an older one, or lost; then this file still tells whom no import and no restored backup may bring
back. It holds no name: only somebody with the keys can ask whether a given name is in it. Its first line carries the secret of the
keyed hashes, sealed by the master key, so that a new database of this workspace goes on with the same one.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from heedful.errors import StoreError
from heedful.workspace import write_text


@dataclass(frozen=True, slots=True)
class Entry:
    """One erased person. `lookup` is the keyed hash of their name."""

    lookup: str
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class Ledger:
    """`sealed_index_keys` has the one of the vault, byte for byte; two while the master key is changed, the older first."""

    sealed_index_keys: tuple[bytes, ...]
    entries: tuple[Entry, ...]


def read_ledger(path: Path) -> Ledger | None:
    """None when nobody was ever erased here. Raises StoreError for a file that is damaged."""
    if not path.exists():
        return None
    try:
        first, *rest = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        sealed = tuple(base64.b64decode(text, validate=True) for text in first["index_keys"])
        return Ledger(sealed, tuple(Entry(row["person"], datetime.fromisoformat(row["erased_at"])) for row in rest))
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise StoreError(f"{path} is damaged, so nobody can tell who was erased", "restore it from a backup") from None


def write_ledger(path: Path, ledger: Ledger) -> None:
    """The whole file, aside and renamed."""
    head = {"heedful": "erasures", "index_keys": [base64.b64encode(sealed).decode() for sealed in ledger.sealed_index_keys]}
    rows = [{"person": entry.lookup, "erased_at": entry.erased_at.isoformat()} for entry in ledger.entries]
    write_text(path, "".join(json.dumps(row) + "\n" for row in [head, *rows]))


def add_entry(path: Path, sealed_index_key: bytes, entry: Entry) -> None:
    """Nothing is written for a person who stands there already."""
    known = read_ledger(path)
    entries = () if known is None else known.entries
    if all(entry.lookup != other.lookup for other in entries):
        write_ledger(path, Ledger((sealed_index_key,), (*entries, entry)))


def reseal(path: Path, *sealed_index_keys: bytes) -> None:
    """The same entries under another master key, or under both; nothing when there is no ledger."""
    known = read_ledger(path)
    if known is not None and known.sealed_index_keys != sealed_index_keys:
        write_ledger(path, Ledger(sealed_index_keys, known.entries))
