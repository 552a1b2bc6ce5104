"""Texts at rest: sealed in the file, opened by the master key of the environment or of a file, refused in one line without it."""

import os
import re
from pathlib import Path

import pytest

from heedful.config import load_settings
from heedful.conversation import Conversation, Message
from heedful.errors import StoreError
from heedful.lifecycle.ingest import import_file
from heedful.store.cipher import Key, new_key, seal, unseal
from heedful.store.conversations import iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.master_key import KEY_FILE, VARIABLE, encode, is_open_to_others
from heedful.store.vault import digest
from heedful.workspace import Workspace

WORDS = ("the kettle keeps whistling at four", "Kettles tell us somebody is awake.")
ROW = '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}], "person": "anneliese-17"}\n'


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def filled(workspace: Workspace) -> Store:
    source = workspace.root.parent / "chats.jsonl"
    source.write_text(ROW % WORDS, encoding="utf-8")
    store = open_store(workspace.database)
    import_file(store, source, "ann", basis="consent")
    return store


def read(store: Store) -> list[Conversation]:
    with store.snapshot() as session:
        return [one.conversation for one in iterate_conversations(session)]


SAID = [Conversation((Message("user", WORDS[0]), Message("assistant", WORDS[1])))]


def test_what_is_sealed_opens_with_its_key_at_its_place_only() -> None:
    key = Key(new_key())
    sealed = seal(key, b"words", "message:a:0:1:user")
    assert unseal(key, sealed, "message:a:0:1:user") == b"words"
    assert seal(key, b"words", "message:a:0:1:user") != sealed  # a fresh nonce
    assert len(sealed) == len(b"words") + 29
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    attempts = [(Key(new_key()), sealed, "message:a:0:1:user"), (key, changed, "message:a:0:1:user"), (key, b"", "x")]
    for other_key, other, place in [*attempts, (key, sealed, "message:a:0:2:user")]:
        with pytest.raises(StoreError, match="what is sealed there does not open"):
            unseal(other_key, other, place)


def test_no_byte_of_the_workspace_holds_the_words_or_the_name(workspace: Workspace) -> None:
    store = filled(workspace)
    for path in workspace.root.rglob("*"):  # with the log that SQLite has not merged yet
        if path.is_file():
            content = path.read_bytes()
            assert not re.search(rb"kettle|whistling|awake|anneliese", content, re.IGNORECASE), path.name
    assert read(store) == SAID
    store.close()


def test_the_key_file_is_the_owners_alone(workspace: Workspace) -> None:
    filled(workspace).close()
    path = workspace.root / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert not is_open_to_others(path)
    path.chmod(0o644)
    assert is_open_to_others(path)


def test_a_key_of_the_environment_leaves_no_file(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, encode(os.urandom(32)))
    store = filled(workspace)
    assert not (workspace.root / KEY_FILE).exists()
    assert read(store) == SAID
    load_settings(workspace.config_file)  # the variable is no unknown key
    monkeypatch.setenv(VARIABLE, encode(os.urandom(32)))
    with pytest.raises(StoreError, match=f"the master key of {VARIABLE} is not the one of this workspace"):
        read(store)
    monkeypatch.setenv(VARIABLE, "hunter2")
    with pytest.raises(StoreError, match="is no master key: it must be 32 bytes") as refused:
        read(store)
    assert "hunter2" not in refused.value.text
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(StoreError, match="there is no master key") as refused:
        read(store)
    assert refused.value.next_step == f"restore {KEY_FILE}, or set {VARIABLE}"
    store.close()


def test_a_lost_key_file_is_never_made_anew(workspace: Workspace) -> None:
    filled(workspace).close()
    (workspace.root / KEY_FILE).unlink()
    store = open_store(workspace.database)
    with pytest.raises(StoreError, match="there is no master key"):
        read(store)
    assert not (workspace.root / KEY_FILE).exists()
    store.close()


def test_keyed_hashes_differ_between_workspaces(tmp_path: Path) -> None:
    stores = [open_store(tmp_path / name / "heedful.db") for name in ("a", "b") if (tmp_path / name).mkdir() is None]
    found = set()
    for store in stores:
        with store.snapshot() as session:
            assert digest(session, "person", "ann") == digest(session, "person", "ann") != digest(session, "other", "ann")
            found.add(digest(session, "person", "ann"))
        store.close()
    assert len(found) == 2
