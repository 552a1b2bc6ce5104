"""The server: a Catalog goes in, an ASGI application comes out that speaks OpenAI's chat API and nothing else."""

import uuid

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import heedful
from heedful.errors import HeedfulError
from heedful.server.catalog import Catalog
from heedful.server.chat import chat_router
from heedful.server.errors import answer_failure, answer_http_exception
from heedful.server.home import home_router
from heedful.server.models import models_router
from heedful.server.schemas import ErrorEnvelope, Health


def create_app(catalog: Catalog) -> FastAPI:
    """The pages /docs and /redoc stay off: they load their scripts from another machine."""
    app = FastAPI(
        title="Heedful",
        version=heedful.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": ErrorEnvelope, "description": "Any failure"}},
    )
    app.include_router(chat_router(catalog))
    app.include_router(models_router(catalog))
    app.include_router(home_router(catalog))
    app.add_api_route("/healthz", healthz)
    app.add_exception_handler(HeedfulError, answer_failure)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(RequestValidationError, answer_http_exception)
    app.add_middleware(outermost)
    return app


def healthz() -> Health:
    """The server runs. It says nothing about the models."""
    return Health(status="ok")


def outermost(app: ASGIApp) -> ASGIApp:
    """Gives every request an id, sent back as x-request-id, and turns whatever was not expected into a 500.

    It raises nothing on: the server beneath would log the traceback, with texts that may quote what a person wrote.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id, started = f"req_{uuid.uuid4().hex}", False
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        except ClientDisconnect:
            return  # while its body was read
        except Exception as error:
            response = await answer_failure(Request(scope), error)
            if not started:  # else the connection is closed, which is all that can still be said
                await response(scope, receive, send_with_id)

    return serve
