"""Backup: a workspace in; one sealed file out, of one moment, with a hash of everything in it.

The database is copied by SQLite's online backup, so nobody has to stop; then the directories, which never change once they have
their name, and the knowledge base, which nobody writes to meanwhile. No erasure runs either. Left out: the master key, without
which the file does not open; weights in quarantine; unfinished work; and whatever else lies in the folder.
"""

import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from filelock import FileLock, Timeout

import heedful
from heedful.errors import StoreError, WorkspaceError
from heedful.knowledge.index import writing
from heedful.lifecycle.erasure.erase import LOCK
from heedful.registry.versions import quarantined_models
from heedful.store.audit import head, record
from heedful.store.database import Store
from heedful.store.schema import utc_now
from heedful.store.sealed_stream import FRAME_BYTES, SealingWriter
from heedful.store.vault import keyring
from heedful.workspace import ASIDE, MANIFEST, Workspace, sha256, staging

Observe = Callable[[int, int], None]
OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class BackedUp:
    """The file, how much is in it, and the weights that were left out because they are in quarantine."""

    path: Path
    sha256: str
    files: int
    bytes: int
    left_out: tuple[str, ...]


def back_up(workspace: Workspace, store: Store, path: Path, actor: str, observe: Observe | None = None) -> BackedUp:
    """Raises WorkspaceError when the file exists, StoreError while an erasure runs or when the master key is missing."""
    if path.exists():
        raise WorkspaceError(f"{path} exists already", "name a new file")
    try:
        with FileLock(workspace.root / LOCK, timeout=0), writing(workspace):
            done = write_archive(workspace, store, path, observe)
    except Timeout:
        raise StoreError("an erasure is running", "wait for it, then try again") from None
    with store.session() as session:
        detail = {"sha256": done.sha256, "files": done.files, "bytes": done.bytes}
        record(session, actor, "backup", f"backup {done.path.name} of {utc_now():%Y-%m-%d}", detail)
    return done


def write_archive(workspace: Workspace, store: Store, path: Path, observe: Observe | None) -> BackedUp:
    """Aside, then renamed: a backup that has its name is whole."""
    aside = path.with_name(f"{ASIDE}{path.name}")
    try:
        with staging(workspace.root) as scratch:
            copy = copy_database(workspace, scratch)
            with store.snapshot() as session:
                master, newest, left_out = keyring(session).master_bytes, head(session), quarantined_models(session)
            with owners_file(aside) as stream:
                sealed = SealingWriter(stream, master)
                files = [(workspace.database.name, copy), *members(workspace, left_out)]
                facts = {"made_at": utc_now().isoformat(), "heedful": heedful.__version__, "left_out": sorted(left_out)}
                audit = {"event": newest.event, "hash": newest.hash}
                size = fill(sealed, files, {"kind": "backup", **facts, "audit": audit}, observe)
                sealed.close()
                stream.flush()
                os.fsync(stream.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
    return BackedUp(path, sha256(path), len(files), size, tuple(sorted(left_out)))


def copy_database(workspace: Workspace, folder: Path) -> Path:
    """One state of the database, while others may go on writing."""
    path = folder / workspace.database.name
    with closing(sqlite3.connect(workspace.database)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


@contextmanager
def owners_file(path: Path) -> Iterator[BinaryIO]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as stream:
        yield stream


def members(workspace: Workspace, left_out: set[str]) -> Iterator[tuple[str, Path]]:
    """(name in the archive, path) of every file that belongs to the workspace, but for hidden ones: they are unfinished."""
    yield from ((path.name, path) for path in (workspace.config_file, workspace.ledger) if path.is_file())
    for folder in (*workspace.folders, workspace.receipts):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(workspace.root)
            hidden = any(part.startswith(".") for part in name.parts)
            if path.is_file() and not path.is_symlink() and not hidden and not left_out & set(name.parts):
                yield str(name), path


def fill(sealed: SealingWriter, files: list[tuple[str, Path]], facts: dict[str, Any], observe: Observe | None) -> int:
    """A tar of the files, and their hashes as its last member. Returns the bytes of the files."""
    hashes: dict[str, str] = {}
    size = 0
    with tarfile.open(fileobj=cast(IO[bytes], sealed), mode="w|", bufsize=FRAME_BYTES) as archive:
        for number, (name, path) in enumerate(files, start=1):
            with path.open("rb") as stream:
                entry = archive.gettarinfo(arcname=name, fileobj=stream)
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                reader = Hashing(stream)
                archive.addfile(entry, cast(IO[bytes], reader))
            hashes[name] = reader.hexdigest()
            size += entry.size
            if observe is not None:
                observe(number, len(files))
        text = json.dumps({**facts, "files": hashes}, indent=2).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return size


class Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hash = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._hash.update(content)
        return content

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
