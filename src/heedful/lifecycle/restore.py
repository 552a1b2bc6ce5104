"""Restore: a backup, its master key and what is known of erasures since, in; a whole workspace out, in which nobody came back.

Everything is unpacked aside, checked against its hashes, migrated, and whoever was erased after the backup is erased again. Only
then does it move into the folder, heedful.yaml last: until that moment the folder is no workspace, and a restore that was killed
can be done again.
"""

import json
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from heedful.config import read_secret
from heedful.errors import StoreError, WorkspaceError
from heedful.lifecycle.erasure.erase import erase
from heedful.lifecycle.erasure.standing import add_unknown, returned
from heedful.store.audit import record
from heedful.store.cipher import Key, unseal
from heedful.store.database import Store, open_store
from heedful.store.ledger import Entry, Ledger, read_ledger, write_ledger
from heedful.store.master_key import KEY_FILE, VARIABLE, decode, write_key
from heedful.store.schema_trust import VaultRow
from heedful.store.sealed_stream import FRAME_BYTES, UnsealingReader
from heedful.store.vault import INDEX_KEY, ONLY
from heedful.workspace import MANIFEST, Workspace, sha256, staging, write_text

MARK = ".restoring"  # names what a restore is moving in, so that the next one can begin anew
WELCOME = {KEY_FILE, "erasures.jsonl", "receipts", MARK}  # what an empty folder may hold

Watch = Callable[[str, int, int | None], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class Request:
    """What to restore. `key_file` and `ledger` default to the files of those names in the folder."""

    archive: Path
    folder: Path
    actor: str
    key_file: Path | None = None
    ledger: Path | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """`erased_again` counts persons who were erased after the backup. `ledger_known`: a ledger beside the backup's was there."""

    workspace: Path
    made_at: str
    files: int
    erased_again: int
    ledger_known: bool


def restore(request: Request, watch: Watch) -> Restored:
    """Raises WorkspaceError for a folder that is in use, StoreError for a wrong key, a damaged archive or a foreign ledger."""
    check_folder(request.folder)
    master = find_master(request)
    digest = sha256(request.archive)
    request.folder.mkdir(parents=True, exist_ok=True)
    clear_interrupted(request.folder)
    with staging(request.folder) as aside:
        manifest = unpack(request.archive, master, aside, watch)
        if read_secret(VARIABLE) is None:
            write_key(aside / KEY_FILE, master)
        workspace = Workspace(aside)
        store = open_store(workspace.database)
        try:
            known = join_ledgers(workspace, store, master, request)
            again = erase_again(workspace, store, request.actor, watch)
            with store.session() as session:
                detail = {"sha256": digest, "made_at": manifest["made_at"], "erased_again": again}
                record(session, request.actor, "restore", f"backup {request.archive.name}", detail)
            store.compact()
        finally:
            store.close()
        move_in(aside, request.folder, watch)
    return Restored(request.folder.resolve(), manifest["made_at"], len(manifest["files"]), again, known)


def check_folder(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise WorkspaceError(f"{folder} is not a directory", "name a new or empty directory")
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".part-")} - WELCOME - set(interrupted(folder))
    if there:
        shown = ", ".join(sorted(there)[:3])
        raise WorkspaceError(f"{folder} holds {shown}; a backup goes into a new or empty directory", "name another directory")


def interrupted(folder: Path) -> list[str]:
    """What a restore that was killed had begun to move in."""
    mark = folder / MARK
    return [str(name) for name in json.loads(mark.read_text(encoding="utf-8"))] if mark.exists() else []


def clear_interrupted(folder: Path) -> None:
    """But for what may be there before a restore: a ledger must not be lost."""
    for name in interrupted(folder):
        if name not in WELCOME:
            remove(folder / name)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def find_master(request: Request) -> bytes:
    given = read_secret(VARIABLE)
    if given is not None:
        return decode(given, VARIABLE)
    path = request.folder / KEY_FILE if request.key_file is None else request.key_file
    if not path.is_file():
        raise StoreError(
            f"the backup opens with the master key of its time: {VARIABLE} is not set and {path} is not there",
            "heedful restore FILE FOLDER --key-file master.key",
        )
    return decode(path.read_text(encoding="ascii", errors="replace"), str(path))


def unpack(archive: Path, master: bytes, aside: Path, watch: Watch) -> dict[str, Any]:
    """All members, then the check of every hash. Raises StoreError when a file is missing, extra or changed."""
    with archive.open("rb") as stream:
        reader = UnsealingReader(stream, master, str(archive))
        with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r|", bufsize=FRAME_BYTES) as members:
            for number, member in enumerate(members, start=1):
                members.extract(member, aside, filter="data")
                watch("unpack", number, None)
        reader.read()  # to the last frame, which says that nothing was cut off
    manifest: dict[str, Any] = json.loads((aside / MANIFEST).read_text(encoding="utf-8"))
    (aside / MANIFEST).unlink()
    there = {str(path.relative_to(aside)): sha256(path) for path in aside.rglob("*") if path.is_file()}
    if there != manifest["files"]:
        raise StoreError(f"{archive} is not what was backed up: its hashes differ", "use another backup")
    for folder in Workspace(aside).folders:
        folder.mkdir(exist_ok=True)
    return manifest


def join_ledgers(workspace: Workspace, store: Store, master: bytes, request: Request) -> bool:
    """Everybody whom the backup's ledger or the newer one knows as erased. Returns whether there was a newer one."""
    path = request.folder / workspace.ledger.name if request.ledger is None else request.ledger
    if request.ledger is not None and not path.exists():
        raise StoreError(f"there is no ledger at {path}", "name the erasures.jsonl of the workspace")
    newer, own = read_ledger(path), read_ledger(workspace.ledger)
    with store.snapshot() as session:
        sealed = session.get_one(VaultRow, ONLY).sealed_index_key
    entries: dict[str, Entry] = {}
    for ledger in (own, newer):
        if ledger is not None:
            check_secret(ledger, sealed, master, request)
            entries |= {entry.lookup: entry for entry in ledger.entries}
    if entries:
        write_ledger(workspace.ledger, Ledger((sealed,), tuple(entries.values())))
    return newer is not None


def check_secret(ledger: Ledger, sealed: bytes, master: bytes, request: Request) -> None:
    """Raises StoreError when the ledger cannot be compared with the names of this backup.

    It may be sealed by a newer master key than the backup; the one in the folder is tried too.
    """
    path = request.folder / KEY_FILE
    newer = [decode(path.read_text(encoding="ascii", errors="replace"), str(path))] if path.is_file() else []
    secret = unseal(Key(master), sealed, INDEX_KEY)
    if secret not in {opened for key in (master, *newer) for opened in open_all(Key(key), ledger.sealed_index_keys)}:
        raise StoreError(
            "the ledger of erasures is of another workspace than the backup, or sealed by a master key that is not here",
            f"put the newest master key into {path}, and name that of the backup with --key-file",
        )


def open_all(key: Key, sealed: Iterable[bytes]) -> Iterator[bytes]:
    for one in sealed:
        with suppress(StoreError):
            yield unseal(key, one, INDEX_KEY)


def erase_again(workspace: Workspace, store: Store, actor: str, watch: Watch) -> int:
    ledger = read_ledger(workspace.ledger)
    if ledger is None:
        return 0
    add_unknown(store, ledger)
    with store.snapshot() as session:
        persons = returned(session, ledger)
    for person in persons:
        erase(workspace, store, person, actor, watch)
    return len(persons)


def move_in(aside: Path, folder: Path, watch: Watch) -> None:
    """heedful.yaml makes a workspace of a folder, so it comes last."""
    config = Workspace(aside).config_file.name
    names = sorted((path.name for path in aside.iterdir()), key=lambda name: name == config)
    write_text(folder / MARK, json.dumps(names))
    for number, name in enumerate(names):
        watch("move", number, len(names))
        if name == Workspace(folder).receipts.name:
            move_receipts(aside / name, folder / name)
        elif (aside / name).is_dir():
            remove(folder / name)
            (aside / name).rename(folder / name)
        else:
            (aside / name).replace(folder / name)
    (folder / MARK).unlink()


def move_receipts(aside: Path, folder: Path) -> None:
    """Receipts that lie in the folder belong to a later trail than the backup's; they are kept apart, in `former`."""
    later = [path for path in folder.glob("*.json") if not (aside / path.name).exists()]
    former = folder / "former"
    if later:
        former.mkdir(parents=True, exist_ok=True)
    for path in later:
        path.replace(former / path.name)
    folder.mkdir(exist_ok=True)
    for path in aside.iterdir():
        path.replace(folder / path.name)
