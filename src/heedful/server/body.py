"""The body of a request: bytes on the wire go in, parsed JSON comes out, or a refusal with 400, 413 or 415."""

import json
from typing import NoReturn

from starlette.requests import Request

from heedful.server.errors import ApiError, refusal

MAX_BYTES = 2 * 1024 * 1024
# A client writes its whole body before it reads the answer, so what is too large is read to its end, up to here, and thrown away.
DRAINED_BYTES = 32 * 1024 * 1024


async def read_json(request: Request) -> object:
    """Raises ApiError."""
    check_content_type(request.headers.get("content-type", ""))
    return parse(await read_bytes(request))


def check_content_type(header: str) -> None:
    """Only JSON, also because a web page of another origin may send anything else without asking first."""
    media_type = header.partition(";")[0].strip().lower()
    if media_type != "application/json":
        got = media_type[:60] or "none"
        raise ApiError(415, f"Content-Type is {got}; allowed: application/json.", code="unsupported_content_type")


async def read_bytes(request: Request) -> bytes:
    kept, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BYTES:
            kept += chunk
        elif size > DRAINED_BYTES:
            break
    if size > MAX_BYTES:
        raise ApiError(
            413, f"The body is larger than {MAX_BYTES} bytes.", code="request_too_large", headers={"Connection": "close"}
        )
    return bytes(kept)


def parse(body: bytes) -> object:
    """JSON in UTF-8, without NaN and Infinity, and with no half of a surrogate pair: no tokenizer could read it."""
    try:
        parsed: object = json.loads(body.decode("utf-8"), parse_constant=refuse_constant)
        json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise refusal(None, "The body is not valid JSON in UTF-8.", "invalid_json") from None
    return parsed


def refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)
