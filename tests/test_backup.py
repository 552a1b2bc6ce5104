"""Backup, restore and rotation: whole, sealed, of one moment; nobody who was erased comes back; a kill loses no key."""

import json
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import DatasetSettings
from heedful.dataset import build_dataset, show_dataset
from heedful.errors import StoreError, WorkspaceError
from heedful.lifecycle.backup import back_up
from heedful.lifecycle.erasure.erase import erase
from heedful.lifecycle.holdings import list_persons, person_named
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.restore import MARK, Request, Restored, restore
from heedful.store import rotation
from heedful.store.audit_check import check_trail
from heedful.store.conversations import iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.ledger import read_ledger
from heedful.store.master_key import KEY_FILE, NEXT_FILE, NEXT_VARIABLE, VARIABLE, encode
from heedful.store.rotation import rotate, settle
from heedful.store.sealed_stream import FRAME_BYTES, SealingWriter, UnsealingReader
from heedful.workspace import Workspace, create_workspace
from people import NOUNS, PERSONS, left_of, texts_of, write_chats

ANN, *OTHERS = PERSONS
EACH = 4


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv(NEXT_VARIABLE, raising=False)


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path):
    opened = open_store(workspace.database)
    import_file(opened, write_chats(tmp_path / "chats.jsonl", *PERSONS, each=EACH), "tester", basis="consent")
    build_dataset(opened, workspace, DatasetSettings(), "Be kind.", "tester")
    yield opened
    opened.close()


def read(root: Path) -> set[str]:
    """Every question in a workspace."""
    opened = open_store(Workspace(root).database, migrate=False)
    with opened.snapshot() as session:
        found = {one.conversation.question for one in iterate_conversations(session)}
        assert check_trail(session) == []
    opened.close()
    return found


def questions(*persons: str) -> set[str]:
    return {texts_of(person, number)[0] for person in persons for number in range(EACH)}


def erased(workspace: Workspace, store: Store, name: str) -> None:
    with store.snapshot() as session:
        person = person_named(session, name)
    erase(workspace, store, person, "tester", lambda stage, done, total: None)


def restored(archive: Path, folder: Path, **given: Path) -> Restored:
    return restore(Request(archive, folder, "tester", **given), lambda stage, done, total: None)


def was_killed(work: Callable[[], object]) -> bool:
    """Whether a process of its own that does the work dies by a signal."""
    process = os.fork()
    if process == 0:
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watcher_that_dies_at(wanted: str, number: int) -> Callable[[str, int, int | None], None]:
    return lambda stage, done, total: die() if (stage, done) == (wanted, number) else None


def rotate_and_die(workspace: Workspace, moment: str, before: bool) -> None:
    """Die before or after one step of a rotation; of the two calls of `settle` the last one counts."""
    step, calls = getattr(rotation, moment), count()

    def dying(*arguments: object) -> object:
        wanted = moment != "settle" or next(calls) == 1
        if wanted and before:
            die()
        result = step(*arguments)
        if wanted:
            die()
        return result

    setattr(rotation, moment, dying)
    rotate(open_store(workspace.database), "tester")


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES, 2 * FRAME_BYTES + 7])
def test_a_sealed_stream_gives_back_every_byte_or_nothing(tmp_path: Path, size: int) -> None:
    content, key, path = os.urandom(size), os.urandom(32), tmp_path / "sealed"
    with path.open("wb") as stream:
        writer = SealingWriter(stream, key)
        for start in range(0, size, 300_000):
            writer.write(content[start : start + 300_000])
        writer.close()
    sealed = path.read_bytes()

    def opened(changed: bytes, with_key: bytes = key) -> bytes:
        path.write_bytes(changed)
        with path.open("rb") as stream:
            reader = UnsealingReader(stream, with_key, "it")
            return reader.read(3) + reader.read(0) + reader.read()

    assert opened(sealed) == content
    frames = [sealed[33 + start : 33 + start + FRAME_BYTES + 16] for start in range(0, len(sealed) - 33, FRAME_BYTES + 16)]
    damaged = [sealed[:-1], sealed + b"x", sealed[:33] + b"".join(frames[:-1]), sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:]]
    if len(frames) > 2:
        damaged.append(sealed[:33] + frames[1] + frames[0] + b"".join(frames[2:]))
    for other in damaged:
        with pytest.raises(StoreError):
            opened(other)
    with pytest.raises(StoreError, match="does not open with this master key"):
        opened(sealed, os.urandom(32))
    with pytest.raises(StoreError, match="it is no backup of Heedful"):
        opened(b"PK" + sealed)


def test_what_was_backed_up_comes_back(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    archive = tmp_path / "a.backup"
    done = back_up(workspace, store, archive, "tester")
    assert (archive.stat().st_mode & 0o777, done.left_out) == (0o600, ())
    content = archive.read_bytes()
    assert not [noun for nouns in NOUNS.values() for noun in nouns if noun.encode() in content]  # the datasets are sealed too
    assert not list(workspace.root.glob(".part-*")) and not list(tmp_path.glob(".part-*"))
    result = restored(archive, tmp_path / "new", key_file=workspace.root / KEY_FILE)
    assert (result.files, result.erased_again, result.ledger_known) == (done.files, 0, False)
    assert read(tmp_path / "new") == questions(*PERSONS)
    dataset = next(workspace.datasets.glob("ds-*"))
    assert show_dataset(Workspace(tmp_path / "new"), dataset.name) == show_dataset(workspace, dataset.name)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "heedful.yaml", "heedful.db", "master.key", "datasets", "models", "reports", "knowledge",
    }  # fmt: skip
    assert (tmp_path / "new" / KEY_FILE).stat().st_mode & 0o777 == 0o600
    with pytest.raises(WorkspaceError, match=r"a.backup exists already"):
        back_up(workspace, store, archive, "tester")


def test_a_backup_of_before_cannot_bring_her_back(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    archive = tmp_path / "a.backup"
    back_up(workspace, store, archive, "tester")
    erased(workspace, store, ANN)
    key, ledger = workspace.root / KEY_FILE, workspace.ledger
    result = restored(archive, tmp_path / "new", key_file=key, ledger=ledger)
    assert (result.erased_again, result.ledger_known) == (1, True)
    assert left_of(ANN, tmp_path / "new") == []
    assert read(tmp_path / "new") == questions(*OTHERS)
    assert not list((tmp_path / "new" / "datasets").iterdir())
    again = open_store(Workspace(tmp_path / "new").database)
    assert import_file(again, tmp_path / "chats.jsonl", "tester").erased == EACH
    again.close()
    # the same with the ledger and the key left in the folder, as after the loss of a database
    (tmp_path / "old").mkdir()
    for path in (key, ledger):
        (tmp_path / "old" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "old" / "receipts").mkdir()
    receipt = next(workspace.receipts.iterdir())
    (tmp_path / "old" / "receipts" / receipt.name).write_bytes(receipt.read_bytes())
    assert restored(archive, tmp_path / "old").erased_again == 1
    assert left_of(ANN, tmp_path / "old") == []
    assert (tmp_path / "old" / "receipts" / "former" / receipt.name).exists()


def test_a_ledger_that_cannot_be_compared_is_refused(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    back_up(workspace, store, tmp_path / "a.backup", "tester")
    other = create_workspace(tmp_path / "other", "base: tiny\n")
    foreign = open_store(other.database)
    import_file(foreign, tmp_path / "chats.jsonl", "tester", basis="consent")
    erased(other, foreign, ANN)
    foreign.close()
    with pytest.raises(StoreError, match="the ledger of erasures is of another workspace than the backup"):
        restored(tmp_path / "a.backup", tmp_path / "new", key_file=workspace.root / KEY_FILE, ledger=other.ledger)
    assert list((tmp_path / "new").iterdir()) == []


def test_refusals_leave_nothing(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    archive, key = tmp_path / "a.backup", workspace.root / KEY_FILE
    back_up(workspace, store, archive, "tester")
    with pytest.raises(WorkspaceError, match="a backup goes into a new or empty directory"):
        restored(archive, workspace.root, key_file=key)
    with pytest.raises(StoreError, match="the backup opens with the master key of its time"):
        restored(archive, tmp_path / "new")
    (tmp_path / "other.key").write_text(encode(os.urandom(32)))
    with pytest.raises(StoreError, match="does not open with this master key"):
        restored(archive, tmp_path / "new", key_file=tmp_path / "other.key")
    archive.write_bytes(archive.read_bytes()[:-1000])
    with pytest.raises(StoreError, match=r"was changed or cut off|does not open"):
        restored(archive, tmp_path / "new", key_file=key)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_restore_that_was_killed_can_be_done_again(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    archive, key, folder = tmp_path / "a.backup", tmp_path / "key", tmp_path / "new"
    back_up(workspace, store, archive, "tester")
    erased(workspace, store, ANN)
    key.write_bytes((workspace.root / KEY_FILE).read_bytes())
    folder.mkdir()
    (folder / workspace.ledger.name).write_bytes(workspace.ledger.read_bytes())
    for moved in range(1, 8):
        assert was_killed(lambda moved=moved: restore(Request(archive, folder, "tester", key), watcher_that_dies_at("move", moved)))
        assert (folder / MARK).exists()
        assert not (folder / "heedful.yaml").exists()
        assert read_ledger(folder / workspace.ledger.name) is not None
    assert restored(archive, folder, key_file=key).erased_again == 1
    assert left_of(ANN, folder) == []
    assert read(folder) == questions(*OTHERS)


# Rotation


def test_a_new_master_key_opens_all_and_the_old_one_nothing(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    erased(workspace, store, ANN)
    old = (workspace.root / KEY_FILE).read_text()
    back_up(workspace, store, tmp_path / "before.backup", "tester")
    done = rotate(store, "tester")
    assert (done.generation, done.keys, done.in_environment) == (2, len(OTHERS), False)
    assert (workspace.root / KEY_FILE).read_text() != old
    assert (workspace.root / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert not (workspace.root / NEXT_FILE).exists()
    assert read(workspace.root) == questions(*OTHERS)
    assert import_file(store, tmp_path / "chats.jsonl", "tester").erased == EACH  # the keyed hashes are the same
    # the backup of before opens with the key of before, and the ledger with the key of today
    (tmp_path / "old.key").write_text(old)
    (tmp_path / "new").mkdir()
    for name in (KEY_FILE, workspace.ledger.name):
        (tmp_path / "new" / name).write_bytes((workspace.root / name).read_bytes())
    with pytest.raises(StoreError, match="does not open with this master key"):
        restored(tmp_path / "before.backup", tmp_path / "new")
    assert restored(tmp_path / "before.backup", tmp_path / "new", key_file=tmp_path / "old.key").ledger_known
    assert read(tmp_path / "new") == questions(*OTHERS)
    (workspace.root / KEY_FILE).write_text(old)
    with pytest.raises(StoreError, match="is not the one of this workspace"):
        read(workspace.root)


@pytest.mark.parametrize("moment", ["write_key", "seal_again", "reseal", "record", "settle", "fits"])
def test_a_rotation_that_is_killed_loses_no_key(workspace: Workspace, store: Store, moment: str) -> None:
    """Before and after each of its steps."""
    erased(workspace, store, ANN)
    store.compact()
    for before in (True, False):
        assert was_killed(lambda before=before: rotate_and_die(workspace, moment, before))
        assert read(workspace.root) == questions(*OTHERS)
        settle(store)
        assert not (workspace.root / NEXT_FILE).exists()
        ledger = read_ledger(workspace.ledger)
        assert ledger is not None
        assert len(ledger.sealed_index_keys) == 1
        assert read(workspace.root) == questions(*OTHERS)
    rotate(store, "tester")
    assert len(list_persons(store)) == len(OTHERS)


def test_a_key_of_the_environment_is_changed_to_the_next(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = encode(os.urandom(32)), encode(os.urandom(32))
    monkeypatch.setenv(VARIABLE, first)
    store = open_store(workspace.database)
    import_file(store, write_chats(tmp_path / "chats.jsonl", *PERSONS, each=EACH), "tester", basis="consent")
    erased(workspace, store, ANN)
    with pytest.raises(StoreError, match=f"the next one must be in {NEXT_VARIABLE}"):
        rotate(store, "tester")
    monkeypatch.setenv(NEXT_VARIABLE, second)
    assert rotate(store, "tester").in_environment
    with pytest.raises(StoreError, match="is not the one of this workspace"):
        read(workspace.root)
    monkeypatch.setenv(VARIABLE, second)
    monkeypatch.delenv(NEXT_VARIABLE)
    assert read(workspace.root) == questions(*OTHERS)
    assert not list(workspace.root.glob("*.key"))
    store.close()


def call(*words: object) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_the_verbs(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    where = ("--workspace", workspace.root)
    code, told = call("vault", "status", *where)
    assert (code, told["where"], told["generation"], told["keys"]) == (0, str(workspace.root / KEY_FILE), 1, len(PERSONS))
    assert call("vault", "rotate", "--yes", *where)[1]["generation"] == 2
    assert len(call("vault", "new-key")[1]["key"]) == 44
    code, told = call("backup", tmp_path / "a.backup", *where)
    assert (code, told["left_out"]) == (0, [])
    assert call("erase", ANN, "--yes", *where)[0] == 0
    receipt = json.loads(next(workspace.receipts.iterdir()).read_text())
    assert [line for line in receipt["remaining"] if line.startswith("backup a.backup of ")]
    code, told = call(
        "restore", tmp_path / "a.backup", tmp_path / "new", "--key-file", workspace.root / KEY_FILE, "--ledger", workspace.ledger
    )
    assert (code, told["erased_again"]) == (0, 1)
    assert call("audit", "verify", "--workspace", tmp_path / "new")[1]["whole"] is True
    actions = [event["action"] for event in call("audit", "--workspace", tmp_path / "new")[1]["events"]]
    assert actions[-1] == "restore"
    assert call("restore", tmp_path / "a.backup", tmp_path / "new")[0] == 1


def test_init_makes_the_key(tmp_path: Path) -> None:
    assert call("init", tmp_path / "w")[0] == 0
    assert (tmp_path / "w" / KEY_FILE).stat().st_mode & 0o777 == 0o600
