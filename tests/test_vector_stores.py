"""/v1/vector_stores as OpenAI clients use them: uploaded documents are read, found and forgotten; who may do what."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from typer.testing import CliRunner

from documents import files_with
from heedful.cli.main import app
from heedful.config import ServerSettings, load_settings
from heedful.knowledge import search
from heedful.knowledge.library import add_files, list_documents
from heedful.knowledge.shelves import find_shelf, note_attributes
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
    with assembled(workspace, store, load_settings(), Access()) as (served, _), serving(served) as url:
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
    with pytest.raises(openai.BadRequestError, match="filters is of type 'like'"):
        client.vector_stores.search(made.id, query="anything", filters={"type": "like", "key": "a", "value": "b"})  # type: ignore
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=("a.md", b"# A"), purpose="vision")


def test_roles(workspace: Workspace, store: Store) -> None:
    with store.session() as session:
        secrets = {role: create_key(session, role, role, "tester")[1] for role in ("client", "clinician")}
    access = access_to(store, ServerSettings())
    with assembled(workspace, store, load_settings(), access) as (served, _), serving(served) as url:
        client, clinician = (OpenAI(base_url=f"{url}/v1", api_key=secrets[role], max_retries=0) for role in secrets)
        made = clinician.vector_stores.create(name="ours")
        for refused in (client.vector_stores.create, client.vector_stores.list, lambda: client.vector_stores.delete(made.id)):
            with pytest.raises(openai.PermissionDeniedError):
                refused()
        assert client.vector_stores.search(made.id, query=QUESTION).data == []


def test_attributes_and_filters(client: OpenAI) -> None:
    made = client.vector_stores.create(name="Leaflets").id
    years = {}
    for year in (2019, 2024):
        sent = client.files.create(file=(f"grief-{year}.md", GRIEF + str(year).encode()), purpose="assistants")
        given = {"year": year, "lang": "en", "draft": year == 2024}
        attached = client.vector_stores.files.create(made, file_id=sent.id, attributes=given)
        assert attached.attributes == {"filename": f"grief-{year}.md", "title": "Grief", "chunks": 1, **given}
        years[year] = sent.id

    def found(*filters: object) -> set[str]:
        return {one.file_id for one in client.vector_stores.search(made, query=QUESTION, filters=filters[0]).data}  # type: ignore

    both, old, new = set(years.values()), {years[2019]}, {years[2024]}
    assert found({"type": "eq", "key": "year", "value": 2024}) == new
    assert found({"type": "lt", "key": "year", "value": 2024}) == old
    assert found({"type": "in", "key": "year", "value": [2019, 2024]}) == both
    assert found({"type": "nin", "key": "year", "value": [2019]}) == new
    assert found({"type": "eq", "key": "draft", "value": 1}) == set()  # true is not 1
    assert found({"type": "gt", "key": "lang", "value": 1}) == set()
    assert found({"type": "ne", "key": "missing", "value": "x"}) == both
    wanted = [{"type": "eq", "key": "lang", "value": "en"}, {"type": "gte", "key": "year", "value": 2020}]
    assert (found({"type": "and", "filters": wanted}), found({"type": "or", "filters": wanted})) == (new, both)
    (hit,) = client.vector_stores.search(
        made, query=QUESTION, filters={"type": "eq", "key": "filename", "value": "grief-2019.md"}
    ).data
    assert hit.attributes is not None and (hit.attributes["year"], hit.attributes["section"]) == (2019, "Grief")

    changed = client.vector_stores.files.update(years[2019], vector_store_id=made, attributes={"year": 2025})
    assert changed.attributes == {"filename": "grief-2019.md", "title": "Grief", "chunks": 1, "year": 2025}
    assert found({"type": "gt", "key": "year", "value": 2024}) == old
    client.vector_stores.files.delete(years[2019], vector_store_id=made)
    assert client.vector_stores.files.create(made, file_id=years[2019]).attributes == {
        "filename": "grief-2019.md", "title": "Grief", "chunks": 1,
    }  # fmt: skip
    for wrong in ({"type": "and", "filters": []}, {"type": "eq", "key": "a"}, {"type": "lt", "key": "a", "value": True}):
        with pytest.raises(openai.BadRequestError, match="filters is"):
            found(wrong)
    with pytest.raises(openai.BadRequestError, match="attributes"):
        client.vector_stores.files.update(years[2024], vector_store_id=made, attributes={"a": "x" * 513})


def test_a_batch_of_files(client: OpenAI) -> None:
    made = client.vector_stores.create(name="Leaflets").id
    batches = client.vector_stores.file_batches
    contents = {"a.md": GRIEF, "b.md": GRIEF + b"More.", "c.pdf": b"%PDF-1.4 nothing"}
    sent = [client.files.create(file=(name, held), purpose="assistants").id for name, held in contents.items()]
    batch = batches.create_and_poll(vector_store_id=made, file_ids=sent, attributes={"team": "night"})
    counts = batch.file_counts
    assert (batch.status, counts.completed, counts.failed, counts.in_progress, counts.total) == ("completed", 2, 1, 0, 3)
    assert batches.retrieve(batch.id, vector_store_id=made) == batch == batches.poll(batch.id, vector_store_id=made)
    listed = batches.list_files(batch.id, vector_store_id=made, order="asc").data
    assert [(one.id, one.status) for one in listed] == list(zip(sent, ("completed", "completed", "failed"), strict=True))
    assert listed[0].attributes is not None and listed[0].attributes["team"] == "night"
    client.vector_stores.files.delete(sent[0], vector_store_id=made)
    assert [one.id for one in batches.list_files(batch.id, vector_store_id=made)] == [sent[2], sent[1]]
    own = batches.create(made, files=[{"file_id": sent[0], "attributes": {"team": "day"}}, {"file_id": sent[1]}])
    assert own.file_counts.completed == 2
    assert client.vector_stores.files.retrieve(sent[0], vector_store_id=made).attributes["team"] == "day"  # type: ignore
    uploaded = batches.upload_and_poll(made, files=[("d.md", io.BytesIO(GRIEF + b"Yet more."))])
    assert uploaded.file_counts.completed == 1
    with pytest.raises(openai.BadRequestError, match="there is nothing to cancel"):
        batches.cancel(batch.id, vector_store_id=made)
    with pytest.raises(openai.NotFoundError):
        batches.retrieve("vsfb_none", vector_store_id=made)
    with pytest.raises(openai.BadRequestError, match="No such File object"):
        batches.create(made, file_ids=[sent[0], "file-none"])
    with pytest.raises(openai.BadRequestError, match="Name the files in file_ids, or in files"):
        batches.create(made)


def test_attributes_that_come_at_the_same_time_are_all_kept_and_go_with_the_document(workspace: Workspace, client: OpenAI) -> None:
    made = client.vector_stores.create(name="Leaflets").id
    sent = client.files.create(file=("grief.md", GRIEF), purpose="assistants").id
    client.vector_stores.files.create(made, file_id=sent, attributes={"said": "marmaladeberry"})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: note_attributes(workspace, made, f"file-{number}", {"n": number}), range(12)))
    assert sorted(find_shelf(workspace, made).attributes) == sorted([sent, *(f"file-{number}" for number in range(12))])
    assert files_with(workspace.knowledge, "marmaladeberry") != []
    told = CliRunner().invoke(app, ["knowledge", "remove", "grief.md", "--json", "--workspace", str(workspace.root)])
    assert told.exit_code == 0, told.output
    assert files_with(workspace.knowledge, "marmaladeberry") == []
