"""A form with a file: bytes on the wire go in; its fields and its one file come out, or a refusal with 400, 413 or 415.

The file is held in memory, never in a temporary file: what people wrote would lie on the disk in the open.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from heedful.server.errors import ApiError, refusal

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_BYTES = MAX_FILE_BYTES + 64 * 1024  # with the fields around it
DRAINED_BYTES = 4 * MAX_BYTES  # a client reads no answer before it has sent all
MAX_FIELDS, MAX_FIELD_BYTES = 16, 4_096


@dataclass(frozen=True, slots=True)
class Form:
    """`fields` by name; `filename` and `content` are those of the field `file`."""

    fields: dict[str, str]
    filename: str
    content: bytes


async def read_form(request: Request) -> Form:
    """Raises ApiError."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        got = media_type[:60] or "none"
        raise ApiError(415, f"Content-Type is {got}; allowed: multipart/form-data.", code="unsupported_content_type")
    parser = MultiPartParser(request.headers, limited(request), max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    parser.spool_max_size = MAX_BYTES + 1  # beyond it, the file would go to the disk
    try:
        items = (await parser.parse()).multi_items()
    except (MultiPartException, ValueError):
        raise refusal(None, "The form cannot be read as multipart/form-data with one file.", "invalid_form") from None
    given = [value for name, value in items if name == "file"]
    if len(given) != 1 or not isinstance(given[0], UploadFile):
        raise refusal("file", "Missing required parameter: 'file'; allowed: one file.", "missing_required_parameter")
    if any(isinstance(value, UploadFile) for name, value in items if name != "file"):
        raise refusal(None, "Only the field 'file' may be a file.")
    fields = {name: value for name, value in items if isinstance(value, str)}
    content = await given[0].read()
    await given[0].close()
    return Form(fields, given[0].filename or "", content)


async def limited(request: Request) -> AsyncGenerator[bytes, None]:
    """The body. What is too large is read to its end and thrown away."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BYTES:
            yield chunk
        elif size > DRAINED_BYTES:
            break
    if size > MAX_BYTES:
        words = f"The body is larger than {MAX_BYTES} bytes."
        raise ApiError(413, words, code="request_too_large", headers={"Connection": "close"})


def form_body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """What a route adds to its description in /openapi.json."""
    schema = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}, **properties},
        "required": ["file", *required],
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
