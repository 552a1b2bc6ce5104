"""/v1/vector_stores as OpenAI clients use them: uploaded documents are read, found and forgotten; who may do what."""

import io
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from documents import files_with
from heedful.config import ServerSettings, load_settings
from heedful.knowledge import search
from heedful.knowledge.library import add_files, list_documents
from heedful.server.access import Access, access_to
from heedful.server.assembly import assembled
from heedful.store.api_keys import create_key
from heedful.store.database import Store, open_store
from heedful.workspace import Workspace
from test_server import serving

GRIEF = b"# Grief\n\nWhen somebody dies, grief comes in waves. The quokkaberry tree was planted for all who are missed.\n"
QUESTION = "Why was the quokkaberry tree planted?"


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = open_store(workspace.database)
    yield opened
    opened.close()


@pytest.fixture
def client(workspace: Workspace, store: Store) -> Iterator[OpenAI]:
    with assembled(workspace, store, load_settings(), Access()) as (app, _), serving(app) as url:
        yield OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def test_a_document_goes_in_is_found_and_is_forgotten(workspace: Workspace, client: OpenAI) -> None:
    made = client.vector_stores.create(name="Leaflets", metadata={"team": "night"})
    assert (made.name, made.status, made.metadata, made.file_counts.total) == ("Leaflets", "completed", {"team": "night"}, 0)
    attached = client.vector_stores.files.upload_and_poll(vector_store_id=made.id, file=("grief.md", io.BytesIO(GRIEF)))
    assert (attached.status, attached.vector_store_id, attached.last_error) == ("completed", made.id, None)
    assert attached.attributes == {"filename": "grief.md", "title": "Grief", "chunks": 1}
    assert client.vector_stores.retrieve(made.id).file_counts.completed == 1
    found = client.vector_stores.search(made.id, query=QUESTION, max_num_results=3).data
    assert [(one.file_id, one.filename, one.content[0].text) for one in found] == [
        (attached.id, "grief.md", GRIEF.decode().split("\n\n")[1].strip())
    ]
    assert found[0].score == 1.0 and found[0].attributes is not None and found[0].attributes["section"] == "Grief"
    assert client.vector_stores.search(made.id, query="Which gearbox fits a tractor?").data == []
    assert search(workspace, QUESTION, 1)[0].document == "grief.md"  # the companion's turns look there as well
    client.vector_stores.files.delete(attached.id, vector_store_id=made.id)
    assert client.vector_stores.files.list(made.id).data == []
    assert files_with(workspace.knowledge, "quokkaberry") == []
    assert client.files.content(attached.id).read() == GRIEF
    client.vector_stores.files.create(made.id, file_id=attached.id)
    assert client.vector_stores.delete(made.id).deleted
    assert (client.vector_stores.list().data, list_documents(workspace)) == ([], [])
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(made.id)


def test_collections_of_the_command_line_are_stores_too(workspace: Workspace, client: OpenAI, tmp_path: Path) -> None:
    (tmp_path / "grief.md").write_bytes(GRIEF)
    add_files(workspace, [tmp_path / "grief.md"], "help")
    first, second = (client.vector_stores.create(name=name).id for name in ("one", "two"))
    assert {one.id for one in client.vector_stores.list(order="asc", limit=1)} == {"help", first, second}
    (document,) = client.vector_stores.files.list("help").data
    assert client.vector_stores.files.retrieve(document.id, vector_store_id="help").status == "completed"
    assert client.vector_stores.search("help", query=[QUESTION]).data[0].file_id == document.id
    assert client.vector_stores.search(first, query=QUESTION).data == []


def test_what_cannot_be_read_or_is_not_supported_is_told(client: OpenAI) -> None:
    made = client.vector_stores.create()
    sent = client.files.create(file=("broken.pdf", b"%PDF-1.4 nothing"), purpose="assistants")
    broken = client.vector_stores.files.create_and_poll(sent.id, vector_store_id=made.id)
    assert broken.status == "failed" and broken.last_error is not None
    assert broken.last_error.message.startswith("The file was refused: it is damaged")
    assert client.vector_stores.retrieve(made.id).file_counts.failed == 1
    client.vector_stores.files.delete(sent.id, vector_store_id=made.id)
    assert client.vector_stores.retrieve(made.id).file_counts.total == 0
    with pytest.raises(openai.BadRequestError, match="No such File object"):
        client.vector_stores.files.create(made.id, file_id="file-none")
    rows = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n' * 12
    trained = client.files.create(file=("a.jsonl", rows), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError, match="is fine-tune; allowed: assistants"):
        client.vector_stores.files.create(made.id, file_id=trained.id)
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search("vs_none", query="anything")
    with pytest.raises(openai.BadRequestError, match="filters"):
        client.vector_stores.search(made.id, query="anything", filters={"type": "eq", "key": "a", "value": "b"})
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=("a.md", b"# A"), purpose="vision")


def test_roles(workspace: Workspace, store: Store) -> None:
    with store.session() as session:
        secrets = {role: create_key(session, role, role, "tester")[1] for role in ("client", "clinician")}
    access = access_to(store, ServerSettings())
    with assembled(workspace, store, load_settings(), access) as (app, _), serving(app) as url:
        client, clinician = (OpenAI(base_url=f"{url}/v1", api_key=secrets[role], max_retries=0) for role in secrets)
        made = clinician.vector_stores.create(name="ours")
        for refused in (client.vector_stores.create, client.vector_stores.list, lambda: client.vector_stores.delete(made.id)):
            with pytest.raises(openai.PermissionDeniedError):
                refused()
        assert client.vector_stores.search(made.id, query=QUESTION).data == []
