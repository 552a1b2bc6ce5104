"""The server: a Catalog and who may ask go in, an ASGI application comes out that speaks OpenAI's chat API and nothing else."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import heedful
from heedful.errors import HeedfulError
from heedful.server.access import Access, allow
from heedful.server.catalog import Catalog
from heedful.server.chat import chat_router
from heedful.server.collecting import collecting_router
from heedful.server.consents import consents_router
from heedful.server.counting import counting_router
from heedful.server.embeddings import embeddings_router
from heedful.server.errors import ApiError, answer_failure, answer_http_exception, error_response, failures
from heedful.server.files import files_router
from heedful.server.home import home_router
from heedful.server.keeping import Keeper
from heedful.server.logs import REQUEST
from heedful.server.metrics import Metrics, metrics_router
from heedful.server.models import Remove, models_router
from heedful.server.moderations import moderations_router
from heedful.server.schemas import ErrorEnvelope, Health

REFUSALS = {401: "No key, or one that is not good", 403: "Not with this key", 429: "Too many requests; Retry-After says when"}
KEYS = {"key": {"type": "http", "scheme": "bearer", "description": "A key of `heedful keys create`; none where there are no keys"}}

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    catalog: Catalog,
    access: Access | None = None,
    origins: Sequence[str] = (),
    lifespan: Lifespan | None = None,
    keeper: Keeper | None = None,
    rooms: Sequence[APIRouter] = (),
    remove: Remove | None = None,
) -> FastAPI:
    """Without `access` it is open to whoever sits at this machine. `origins` are web pages that may ask from a browser.

    `lifespan` is entered when the server starts and left when it ends. Without `keeper` nothing is kept.
    `rooms` are routes of their own beside these, such as /api/training. `remove` takes a version out of the registry.

    The pages /docs and /redoc stay off: they load their scripts from another machine.
    """
    app = FastAPI(
        title="Heedful",
        version=heedful.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # served below, with a key like everything else
        redirect_slashes=False,
        lifespan=lifespan,
        responses={
            **{status: {"model": ErrorEnvelope, "description": words} for status, words in REFUSALS.items()},
            **failures(),
        },
    )
    metrics = Metrics()
    for router in (
        chat_router(catalog, metrics, keeper),
        metrics_router(catalog, metrics),
        models_router(catalog, remove),
        embeddings_router(),
        moderations_router(),
        home_router(catalog),
        *([] if keeper is None else kept_routers(keeper)),
        *rooms,
    ):
        app.include_router(router)
    app.add_api_route("/healthz", healthz, dependencies=[allow()])
    app.add_api_route("/openapi.json", lambda: described(app), dependencies=[allow()], include_in_schema=False)
    app.add_exception_handler(HeedfulError, answer_failure)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(RequestValidationError, answer_http_exception)
    app.add_middleware(door, access=Access() if access is None else access, metrics=metrics)
    app.add_middleware(outermost)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["x-request-id", "retry-after"],
        )
    return app


def described(app: FastAPI) -> dict[str, Any]:
    """What the server answers, and that a key is asked for; `benchmarks/conformance.py` puts it to the test.

    The framework writes a 422 to every route with parameters; ours answer 400.
    """
    document = app.openapi()
    for methods in document["paths"].values():
        for route in methods.values():
            route["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    document["components"]["securitySchemes"] = KEYS
    return {**document, "security": [dict.fromkeys(KEYS, ())]}


def kept_routers(keeper: Keeper) -> list[APIRouter]:
    """What needs a store."""
    return [collecting_router(keeper), consents_router(keeper), counting_router(keeper), files_router(keeper)]


def healthz() -> Health:
    """The server runs. It says nothing about the models."""
    return Health(status="ok")


def door(app: ASGIApp, access: Access, metrics: Metrics) -> ASGIApp:
    """Lets in who may ask, known to the routes as `request.state.caller`, and holds their place until the answer has ended."""

    admissions = ThreadPoolExecutor(1, thread_name_prefix="door")  # its own: nobody is kept at the door by the guards' work

    async def admit(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = await asyncio.get_running_loop().run_in_executor(admissions, access.admit, Request(scope))
            with access.turn(caller):
                scope["state"]["caller"] = caller
                await app(scope, receive, send)
        except ApiError as refused:  # the routes' own are answered by their handlers
            await error_response(refused)(scope, receive, send)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        with metrics.request(scope) as status:

            async def send_seen(message: Message) -> None:
                status.see(message)
                await send(message)

            await admit(scope, receive, send_seen)

    return serve


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
        REQUEST.set(request_id)

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
