"""/v1/vector_stores/{store}/file_batches: several uploaded files in; a batch that is done when this answers, and its files, out.

Each file is read as one alone is, while the request waits; so a batch is completed as soon as it is there. One that was killed
leaves the files before it, and no batch.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session

from heedful.knowledge.shelves import Batch, Shelf, file_id_of, find_shelf, note_attributes, note_batch
from heedful.lifecycle.documents import record_added
from heedful.server.access import actor_of, allow, caller_of
from heedful.server.body import read_json
from heedful.server.errors import ApiError, failures, refusal
from heedful.server.files import find_upload
from heedful.server.keeping import Keeper
from heedful.server.kinds import attributes, rows
from heedful.server.paging import page_of
from heedful.server.parameters import Parameter, check, request_body, request_schema
from heedful.server.store_schemas import FileCounts, VectorStoreFile, VectorStoreFileBatch, VectorStoreFileList
from heedful.server.vector_stores import ATTACH, AUTO, LIBRARIANS, attach, ends, failed, file_entry, look_up
from heedful.store.uploads import content_of, name_of
from heedful.workspace import Workspace

MOST_FILES = 500
CREATE = (
    Parameter("file_ids", "used", rows({"type": "string"})),
    Parameter("files", "used", rows(request_schema(ATTACH))),
    Parameter("attributes", "used", attributes()),
    Parameter("chunking_strategy", "refused", AUTO),
)


def file_batches_router(workspace: Workspace, keeper: Keeper) -> APIRouter:
    router = APIRouter(dependencies=[allow(LIBRARIANS)], responses=failures(400, 404, 413, 415))
    batches = "/v1/vector_stores/{store}/file_batches"

    @router.post(batches, openapi_extra=request_body(CREATE))
    async def create_file_batch(store: str, request: Request) -> VectorStoreFileBatch:
        """Read several uploaded files. One that cannot be read counts as failed; the others are done."""
        asked = wanted_of(check(CREATE, await read_json(request)))
        await look_up(find_shelf, workspace, store)
        caller = caller_of(request)
        await keeper.read(lambda session: [find_upload(session, file_id, caller, "file_id") for file_id in asked])
        lost = 0
        for file_id, given in asked.items():

            def fetch(session: Session, file_id: str = file_id) -> tuple[str, bytes]:
                upload = find_upload(session, file_id, caller, "file_id")
                return name_of(session, upload), content_of(session, upload)

            added = await look_up(attach, workspace, store, file_id, *await keeper.read(fetch))
            await look_up(note_attributes, workspace, store, file_id, {} if added.refused else given)
            await keeper.write(partial(record_added, actor=actor_of(request), added=added))
            lost += len(added.refused)
        done = Batch(int(datetime.now(UTC).timestamp()), tuple(asked), lost)
        batch_id: str = await look_up(note_batch, workspace, store, done)
        return entry(store, batch_id, done)

    @router.get(f"{batches}/{{batch}}")
    async def retrieve_file_batch(store: str, batch: str) -> VectorStoreFileBatch:
        return entry(store, batch, find_batch(await look_up(find_shelf, workspace, store), batch))

    @router.post(f"{batches}/{{batch}}/cancel", openapi_extra=request_body(()))
    async def cancel_file_batch(store: str, batch: str) -> VectorStoreFileBatch:
        """Refused: a batch is completed as soon as it is there."""
        find_batch(await look_up(find_shelf, workspace, store), batch)
        raise ApiError(400, f"{batch} is completed, so there is nothing to cancel.", code="batch_completed")

    @router.get(f"{batches}/{{batch}}/files")
    async def list_files_of_batch(
        store: str, batch: str, limit: int = Query(20, ge=1, le=100), order: Literal["asc", "desc"] = "desc", after: str = ""
    ) -> VectorStoreFileList:
        """Those that are attached still."""
        shelf: Shelf = await look_up(find_shelf, workspace, store)
        data = files_of(shelf, find_batch(shelf, batch))
        page, more = page_of(data if order == "asc" else data[::-1], lambda one: one.id, after, limit)
        return VectorStoreFileList(object="list", data=list(page), has_more=more, **ends(list(page)))

    return router


def wanted_of(asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Attributes by file. Raises ApiError unless files are named in one of the two ways."""
    if ("file_ids" in asked) == ("files" in asked):
        raise refusal("file_ids", "Name the files in file_ids, or in files with attributes of their own.")
    if "file_ids" in asked:
        given = [{"file_id": one, "attributes": asked.get("attributes", {})} for one in asked["file_ids"]]
    else:
        given = asked["files"]
    wanted = [check(ATTACH, one) for one in given]
    if len(wanted) > MOST_FILES:
        raise refusal("file_ids", f"{len(wanted)} files are named; allowed: {MOST_FILES} a batch.")
    return {one["file_id"]: one.get("attributes", {}) for one in wanted}


def find_batch(shelf: Shelf, wanted: str) -> Batch:
    """Raises ApiError."""
    if wanted not in shelf.batches:
        raise ApiError(404, f"No such batch in {shelf.id}: {wanted[:64]}", code="not_found")
    return shelf.batches[wanted]


def files_of(shelf: Shelf, batch: Batch) -> list[VectorStoreFile]:
    documents = {file_id_of(document): file_entry(document, shelf) for document in shelf.documents}
    lost = {file_id: failed(shelf.id, file_id, why) for file_id, why in shelf.failed.items()}
    there = {**documents, **lost}
    return [there[file_id] for file_id in batch.files if file_id in there]


def entry(store: str, batch_id: str, batch: Batch) -> VectorStoreFileBatch:
    total = len(batch.files)
    counts = FileCounts(cancelled=0, completed=total - batch.failed, failed=batch.failed, in_progress=0, total=total)
    return VectorStoreFileBatch(
        id=batch_id,
        object="vector_store.files_batch",
        created_at=batch.created_at,
        vector_store_id=store,
        status="completed",
        file_counts=counts,
    )
