"""/v1/files: JSON Lines for jobs and documents for vector stores go in; OpenAI's file objects, and the same bytes again, come out.

A file is sealed with a key of its own. It belongs to the API key that sent it: others do not see it, operators see all. Whoever
sends one states by that that the team owns its rows; what persons said comes by `heedful import` or /api/conversations.
"""

import asyncio
import hashlib
from typing import Literal

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from heedful.lifecycle.fine_tuning.rows import count_rows
from heedful.server.access import Caller, actor_of, allow, caller_of
from heedful.server.errors import ApiError, failures, refusal
from heedful.server.file_schemas import FileEntry, FileGone, FileList
from heedful.server.form import form_body, read_form
from heedful.server.keeping import Keeper
from heedful.server.paging import page_of
from heedful.store.api_keys import KeyRole
from heedful.store.schema_uploads import PURPOSES, Purpose, Upload
from heedful.store.uploads import Sent, add_upload, content_of, list_uploads, name_of, remove_upload

ATTACHED = "file_id"  # the parameter of a vector store that names a file; those of a job name what is trained on
TRAINERS: frozenset[KeyRole] = frozenset({"clinician", "operator"})
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def files_router(keeper: Keeper) -> APIRouter:
    router = APIRouter(dependencies=[allow(TRAINERS)], responses=failures(400, 404, 413, 415))

    @router.post("/v1/files", openapi_extra=form_body({"purpose": {"enum": list(PURPOSES)}}, ["purpose"]))
    async def create_file(request: Request) -> FileEntry:
        """To learn from (fine-tune): every row is checked; a bad one makes the status error, and no job takes the file.

        To be quoted (assistants): a document that is attached to a vector store, and read then.
        """
        form = await read_form(request)
        purpose = read_purpose(form.fields)
        rows, problem = await asyncio.to_thread(count_rows, form.content) if purpose == "fine-tune" else (0, "")
        digest = hashlib.sha256(form.content).hexdigest()
        sent = Sent(caller_of(request).key, form.filename[:255], form.content, digest, rows, problem, purpose)
        actor = actor_of(request)
        return await keeper.write(lambda session: entry(session, add_upload(session, sent, actor)))

    @router.get("/v1/files")
    async def list_files(
        request: Request,
        purpose: str = "",
        limit: int = Query(10_000, ge=1, le=10_000),
        order: Literal["asc", "desc"] = "desc",
        after: str = "",
    ) -> FileList:
        caller = caller_of(request)

        def find(session: Session) -> FileList:
            found = list_uploads(session, None if caller.role == "operator" else caller.key)
            ordered = found if order == "desc" else found[::-1]
            page, more = page_of([one for one in ordered if purpose in ("", one.purpose)], lambda one: one.id, after, limit)
            data = [entry(session, one) for one in page]
            first, last = (data[0].id, data[-1].id) if data else (None, None)
            return FileList(object="list", data=data, has_more=more, first_id=first, last_id=last)

        return await keeper.read(find)

    @router.get("/v1/files/{file_id}")
    async def retrieve_file(request: Request, file_id: str) -> FileEntry:
        caller = caller_of(request)
        return await keeper.read(lambda session: entry(session, find_upload(session, file_id, caller)))

    @router.get("/v1/files/{file_id}/content", response_class=Response, responses={200: {"content": BINARY}})
    async def retrieve_content(request: Request, file_id: str) -> Response:
        """The bytes as they came."""
        caller = caller_of(request)
        content = await keeper.read(lambda session: content_of(session, find_upload(session, file_id, caller)))
        return Response(content, media_type="application/octet-stream")

    @router.delete("/v1/files/{file_id}")
    async def delete_file(request: Request, file_id: str) -> FileGone:
        """The file, its key, and its rows; but for rows that a dataset was made of already, which are lineage."""
        caller, actor = caller_of(request), actor_of(request)
        await keeper.write(lambda session: remove_upload(session, find_upload(session, file_id, caller), actor))
        return FileGone(id=file_id, object="file", deleted=True)

    return router


def read_purpose(fields: dict[str, str]) -> Purpose:
    """Raises ApiError."""
    for name in fields:
        if name != "purpose":
            text = f"Unknown or unsupported parameter: {name[:64]!r}; allowed: file, purpose."
            raise refusal(name[:64], text, "unknown_parameter")
    for purpose in PURPOSES:
        if fields.get("purpose") == purpose:
            return purpose
    raise refusal("purpose", f"purpose is missing or not supported; allowed: {', '.join(PURPOSES)}.")


def find_upload(session: Session, file_id: str, caller: Caller, param: str | None = None) -> Upload:
    """Raises ApiError for one that is not there, or is somebody else's: nobody is told which of the two.

    With `param`, the parameter that names it, also for one of another purpose: what is to be quoted is never trained on.
    """
    found = session.get(Upload, file_id)
    if found is None or (caller.role != "operator" and found.owner != caller.key):
        raise ApiError(404 if param is None else 400, f"No such File object: {file_id[:64]}", code="file_not_found", param=param)
    wanted: Purpose = "assistants" if param == ATTACHED else "fine-tune"
    if param is not None and found.purpose != wanted:
        raise refusal(param, f"The purpose of {file_id[:64]} is {found.purpose}; allowed: {wanted}.")
    return found


def entry(session: Session, upload: Upload) -> FileEntry:
    return FileEntry(
        id=upload.id,
        object="file",
        bytes=upload.size,
        created_at=int(upload.created_at.timestamp()),
        filename=name_of(session, upload),
        purpose=upload.purpose,
        status=upload.status,
        status_details=upload.problem or None,
        expires_at=None,
    )
