"""Every failure as OpenAI's clients expect it: an exception goes in, a status and {"error": {message, type, param, code}} come out.

Nothing that a person wrote and no traceback leaves through an error or through the log.
"""

import logging
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from heedful.errors import HeedfulError, PromptTooLong
from heedful.server.schemas import ErrorBody, ErrorEnvelope

LOG = logging.getLogger("heedful.server")
RETRY_AFTER_S = 5
RETRY_HEADER = {"Retry-After": str(RETRY_AFTER_S)}


class ApiError(HeedfulError):
    """What a client is told: `status` is HTTP's; `param` names the parameter; `code` is for programs."""

    def __init__(
        self,
        status: int,
        text: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})

    @property
    def type(self) -> str:
        if self.status == 429:
            return "rate_limit_error"
        return "invalid_request_error" if self.status < 500 else "server_error"

    def envelope(self) -> ErrorEnvelope:
        return ErrorEnvelope(error=ErrorBody(message=self.text, type=self.type, param=self.param, code=self.code))


def refusal(param: str | None, text: str, code: str = "invalid_value") -> ApiError:
    """400: the request is wrong."""
    return ApiError(400, text, code=code, param=param)


FAILURES = {
    400: "A parameter is wrong or not supported",
    404: "There is no such thing",
    409: "It does not fit what is there",
    413: "The body is too large",
    415: "The body is of another type",
    500: "The server failed",
    503: "It cannot be answered now; Retry-After says when to ask again",
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares in /openapi.json, beside what every route may answer."""
    return {status: {"model": ErrorEnvelope, "description": FAILURES[status]} for status in (*statuses, 500, 503)}


def as_api_error(error: Exception, request_id: str) -> ApiError:
    """What to tell the client about any exception. What is not its doing is logged under `request_id`."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, PromptTooLong):
        return ApiError(400, error.text, code="context_length_exceeded", param="messages")
    if isinstance(error, HeedfulError):
        LOG.error("%s: %s: %s", request_id, type(error).__name__, error.text)
        return ApiError(503, error.text, code="service_unavailable", headers=RETRY_HEADER)
    LOG.error("%s: %s", request_id, where(error))
    return ApiError(500, f"The server failed; its log names the place under {request_id}.", code="internal_error")


def where(error: Exception) -> str:
    """Type and place of an unexpected failure. Its text stays out: it may quote what a person wrote."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join([type(error).__name__, *(f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))])


def error_response(error: ApiError) -> JSONResponse:
    return JSONResponse(error.envelope().model_dump(), status_code=error.status, headers=error.headers)


def request_id_of(request: Request) -> str:
    return str(request.state.request_id)


async def answer_failure(request: Request, error: Exception) -> Response:
    """Handler of HeedfulError and of everything unexpected."""
    return error_response(as_api_error(error, request_id_of(request)))


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Handler of the framework's own refusals: no such route, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 400
    headers = error.headers if isinstance(error, HTTPException) else None
    place = f"{request.method} {request.url.path[:80]}"
    if status == 404:
        return error_response(ApiError(404, f"No such address: {place}. GET / lists the addresses.", code="unknown_url"))
    if status == 405:
        allowed = (headers or {}).get("Allow", "")
        return error_response(ApiError(405, f"No {place}; allowed: {allowed}.", code="method_not_supported", headers=headers))
    return error_response(ApiError(status, f"{place} was refused.", code="refused", headers=headers))
