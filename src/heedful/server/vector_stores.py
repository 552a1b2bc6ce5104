"""/v1/vector_stores: collections of documents for OpenAI clients. Stores and files go in; what is held, and found, comes out.

A store is a collection of `heedful knowledge`, those made on the command line included. Clinicians and
operators may change what replies cite; every key may search, as replies quote the passages anyway. A file is read while its
request waits.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, Literal

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session

from heedful.errors import KnowledgeError
from heedful.knowledge.index import Document
from heedful.knowledge.library import UPLOADED, Added, Source, add_sources, remove_documents
from heedful.knowledge.retrieval import Passage, search, search_within
from heedful.knowledge.shelves import (
    Shelf,
    file_id_of,
    find_shelf,
    list_shelves,
    make_shelf,
    note_attributes,
    note_failure,
    remove_shelf,
)
from heedful.lifecycle.documents import record_added, record_removed
from heedful.server.access import actor_of, allow, caller_of
from heedful.server.body import read_json
from heedful.server.errors import ApiError, failures
from heedful.server.file_filters import read_filter
from heedful.server.files import find_upload
from heedful.server.keeping import Keeper
from heedful.server.kinds import attributes, integer, labels, name, number, one_of, record, text, texts
from heedful.server.paging import page_of
from heedful.server.parameters import Parameter, check, request_body
from heedful.server.store_schemas import (
    FileCounts,
    FoundPassage,
    FoundText,
    LastError,
    SearchResults,
    VectorStore,
    VectorStoreFile,
    VectorStoreFileGone,
    VectorStoreFileList,
    VectorStoreGone,
    VectorStoreList,
)
from heedful.store.api_keys import KeyRole
from heedful.store.uploads import content_of, name_of
from heedful.workspace import Workspace

LIBRARIANS: frozenset[KeyRole] = frozenset({"clinician", "operator"})
MOST_RESULTS = 50
FILTER = {"type": {"type": "string"}, "key": {"type": "string"}, "value": {}, "filters": {"type": "array"}}
NO_LABELS, NO_FILES, AUTO = one_of({}), one_of([]), one_of({"type": "auto"})
CREATE = (
    Parameter("name", "used", text()),
    Parameter("metadata", "used", labels(16, 64, 512)),
    Parameter("description", "refused", one_of("")),
    Parameter("file_ids", "refused", NO_FILES),
    Parameter("expires_after", "refused", NO_LABELS),
    Parameter("chunking_strategy", "refused", AUTO),
)
ATTACH = (
    Parameter("file_id", "used", name(), required=True),
    Parameter("attributes", "used", attributes()),
    Parameter("chunking_strategy", "refused", AUTO),
)
UPDATE = (Parameter("attributes", "used", attributes(), required=True),)
SEARCH = (
    Parameter("query", "used", texts(16, tokens=False), required=True),
    Parameter("max_num_results", "used", integer(1, MOST_RESULTS)),
    Parameter("ranking_options", "used", record({"ranker": {"enum": ["auto"]}, "score_threshold": {"type": "number"}})),
    Parameter("filters", "used", record(FILTER)),
    Parameter("rewrite_query", "refused", one_of(False)),
)
RANKING = (
    Parameter("ranker", "refused", one_of("auto", "default-2024-11-15")),
    Parameter("score_threshold", "used", number(0, 1)),
)


def vector_stores_router(workspace: Workspace, keeper: Keeper) -> APIRouter:
    router = APIRouter(responses=failures(400, 404, 413, 415))
    add_stores(router, workspace, keeper)
    add_files(router, workspace, keeper)

    @router.post("/v1/vector_stores/{store}/search", dependencies=[allow()], openapi_extra=request_body(SEARCH))
    async def search_vector_store(store: str, request: Request) -> SearchResults:
        """Passages that are near enough to the query; several queries are looked for as one."""
        asked = check(SEARCH, await read_json(request))
        ranking = check(RANKING, asked.get("ranking_options", {}))
        queries = [asked["query"]] if isinstance(asked["query"], str) else list(asked["query"])
        matches = None if "filters" not in asked else read_filter(asked["filters"])
        shelf: Shelf = await look_up(find_shelf, workspace, store)
        words, most = " ".join(queries), asked.get("max_num_results", 10)
        if matches is None:
            found = await look_up(search, workspace, words, most, [store])
        else:
            documents = [document.id for document in shelf.documents if matches(attributes_of(document, shelf))]
            found = await look_up(search_within, workspace, words, most, documents)
        return results(queries, [one for one in found if one.score >= ranking.get("score_threshold", 0.0)], shelf)

    return router


def add_stores(router: APIRouter, workspace: Workspace, keeper: Keeper) -> None:
    @router.post("/v1/vector_stores", dependencies=[allow(LIBRARIANS)], openapi_extra=request_body(CREATE))
    async def create_vector_store(request: Request) -> VectorStore:
        """A new, empty collection. Files are attached one by one."""
        asked = check(CREATE, await read_json(request))
        return entry(await look_up(make_shelf, workspace, asked.get("name", ""), asked.get("metadata", {})))

    @router.get("/v1/vector_stores", dependencies=[allow(LIBRARIANS)])
    async def list_vector_stores(
        limit: int = Query(20, ge=1, le=100), order: Literal["asc", "desc"] = "desc", after: str = ""
    ) -> VectorStoreList:
        shelves = await look_up(list_shelves, workspace)
        page, more = page_of(shelves if order == "asc" else shelves[::-1], lambda shelf: shelf.id, after, limit)
        data = [entry(shelf) for shelf in page]
        return VectorStoreList(object="list", data=data, has_more=more, **ends(data))

    @router.get("/v1/vector_stores/{store}", dependencies=[allow(LIBRARIANS)])
    async def retrieve_vector_store(store: str) -> VectorStore:
        return entry(await look_up(find_shelf, workspace, store))

    @router.delete("/v1/vector_stores/{store}", dependencies=[allow(LIBRARIANS)])
    async def delete_vector_store(store: str, request: Request) -> VectorStoreGone:
        """With all its documents, which are gone from the disk when this answers."""
        removed = await look_up(remove_shelf, workspace, store)
        await keeper.write(lambda session: record_removed(session, actor_of(request), removed))
        return VectorStoreGone(id=store, object="vector_store.deleted", deleted=True)


def add_files(router: APIRouter, workspace: Workspace, keeper: Keeper) -> None:
    files = "/v1/vector_stores/{store}/files"

    @router.post(files, dependencies=[allow(LIBRARIANS)], openapi_extra=request_body(ATTACH))
    async def attach_file(store: str, request: Request) -> VectorStoreFile:
        """Read an uploaded file. One that cannot be read has the status failed; only the reason is kept."""
        asked = check(ATTACH, await read_json(request))
        wanted: str = asked["file_id"]
        await look_up(find_shelf, workspace, store)
        caller = caller_of(request)

        def fetch(session: Session) -> tuple[str, bytes]:
            upload = find_upload(session, wanted, caller, "file_id")
            return name_of(session, upload), content_of(session, upload)

        added: Added = await look_up(attach, workspace, store, wanted, *await keeper.read(fetch))
        await keeper.write(lambda session: record_added(session, actor_of(request), added))
        await look_up(note_attributes, workspace, store, wanted, {} if added.refused else asked.get("attributes", {}))
        shelf: Shelf = await look_up(find_shelf, workspace, store)
        return failed(store, wanted, added.refused[0].reason) if added.refused else file_entry(added.documents[0][1], shelf)

    @router.get(files, dependencies=[allow(LIBRARIANS)])
    async def list_attached_files(
        store: str, limit: int = Query(20, ge=1, le=100), order: Literal["asc", "desc"] = "desc", after: str = ""
    ) -> VectorStoreFileList:
        shelf: Shelf = await look_up(find_shelf, workspace, store)
        documents = sorted(shelf.documents, key=lambda one: (one.added_at, one.id))
        page, more = page_of(documents if order == "asc" else documents[::-1], file_id_of, after, limit)
        data = [file_entry(document, shelf) for document in page]
        return VectorStoreFileList(object="list", data=data, has_more=more, **ends(data))

    @router.get(f"{files}/{{file_id}}", dependencies=[allow(LIBRARIANS)])
    async def retrieve_attached_file(store: str, file_id: str) -> VectorStoreFile:
        shelf: Shelf = await look_up(find_shelf, workspace, store)
        if file_id in shelf.failed:
            return failed(store, file_id, shelf.failed[file_id])
        return file_entry(find_file(shelf, file_id), shelf)

    @router.post(f"{files}/{{file_id}}", dependencies=[allow(LIBRARIANS)], openapi_extra=request_body(UPDATE))
    async def update_attached_file(store: str, file_id: str, request: Request) -> VectorStoreFile:
        """Other attributes, in place of those that it had."""
        given = check(UPDATE, await read_json(request))["attributes"]
        document = find_file(await look_up(find_shelf, workspace, store), file_id)
        await look_up(note_attributes, workspace, store, file_id, given)
        return file_entry(document, await look_up(find_shelf, workspace, store))

    @router.delete(f"{files}/{{file_id}}", dependencies=[allow(LIBRARIANS)])
    async def detach_file(store: str, file_id: str, request: Request) -> VectorStoreFileGone:
        """The document is gone from the disk when this answers. The uploaded file stays."""
        shelf: Shelf = await look_up(find_shelf, workspace, store)
        if file_id in shelf.failed:
            await look_up(note_failure, workspace, store, file_id, "")
        else:
            removed = await look_up(remove_documents, workspace, [find_file(shelf, file_id).id], [store])
            await keeper.write(lambda session: record_removed(session, actor_of(request), removed))
            await look_up(note_attributes, workspace, store, file_id, {})
        return VectorStoreFileGone(id=file_id, object="vector_store.file.deleted", deleted=True)


async def look_up(work: Callable[..., Any], *arguments: Any) -> Any:
    """In a thread; what is not there is answered 404."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except KnowledgeError as error:
        if error.text.startswith(("there is no", "no document")):
            raise ApiError(404, error.text, code="not_found") from None
        raise


def attach(workspace: Workspace, store: str, file_id: str, filename: str, content: bytes) -> Added:
    """One file: its document, or why it was refused, which is noted."""
    filename = PurePath(filename.replace("\\", "/")).name or file_id
    with tempfile.TemporaryDirectory(dir=workspace.root, prefix=".part-") as scratch:
        path = Path(scratch) / f"document{PurePath(filename).suffix[:12]}"
        path.write_bytes(content)
        added = add_sources(workspace, [Source(path, filename, f"{UPLOADED}{file_id}")], store)
    note_failure(workspace, store, file_id, added.refused[0].reason if added.refused else "")
    return added


def failed(store: str, file_id: str, reason: str) -> VectorStoreFile:
    return VectorStoreFile(
        id=file_id,
        object="vector_store.file",
        created_at=0,
        vector_store_id=store,
        usage_bytes=0,
        status="failed",
        last_error=LastError(code="invalid_file", message=f"The file was refused: {reason}."),
        attributes={},
    )


def find_file(shelf: Shelf, file_id: str) -> Document:
    """Raises ApiError."""
    found = next((document for document in shelf.documents if file_id_of(document) == file_id), None)
    if found is None:
        raise ApiError(404, f"No such file in {shelf.id}: {file_id[:64]}", code="not_found")
    return found


def attributes_of(document: Document, shelf: Shelf) -> dict[str, str | float | bool]:
    """What is known of it, and what the client gave it."""
    known = {"filename": document.name, "title": document.title, "chunks": document.chunks}
    return {**known, **shelf.attributes.get(file_id_of(document), {})}


def file_entry(document: Document, shelf: Shelf) -> VectorStoreFile:
    return VectorStoreFile(
        id=file_id_of(document),
        object="vector_store.file",
        created_at=int(document.added_at.timestamp()),
        vector_store_id=document.collection,
        usage_bytes=document.bytes,
        status="completed",
        last_error=None,
        attributes=attributes_of(document, shelf),
    )


def entry(shelf: Shelf) -> VectorStore:
    count, lost = len(shelf.documents), len(shelf.failed)
    return VectorStore(
        id=shelf.id,
        object="vector_store",
        created_at=shelf.created_at,
        name=shelf.name,
        usage_bytes=sum(document.bytes for document in shelf.documents),
        file_counts=FileCounts(cancelled=0, completed=count, failed=lost, in_progress=0, total=count + lost),
        status="completed",
        expires_after=None,
        expires_at=None,
        last_active_at=max((int(one.added_at.timestamp()) for one in shelf.documents), default=shelf.created_at),
        metadata=dict(shelf.metadata),
    )


def ends(data: list[Any]) -> dict[str, str | None]:
    return {"first_id": data[0].id if data else None, "last_id": data[-1].id if data else None}


def results(queries: list[str], passages: list[Passage], shelf: Shelf) -> SearchResults:
    return SearchResults(
        object="vector_store.search_results.page",
        search_query=queries,
        data=[found(passage, shelf) for passage in passages],
        has_more=False,
        next_page=None,
    )


def found(passage: Passage, shelf: Shelf) -> FoundPassage:
    page = {} if passage.page is None else {"page": passage.page}
    file_id = passage.source.removeprefix(UPLOADED) if passage.source.startswith(UPLOADED) else passage.document_id
    known = {"title": passage.title, "section": passage.section, "similarity": passage.similarity, **page}
    return FoundPassage(
        file_id=file_id,
        filename=passage.document,
        score=passage.score,
        attributes={**known, **shelf.attributes.get(file_id, {})},
        content=[FoundText(type="text", text=passage.text)],
    )
