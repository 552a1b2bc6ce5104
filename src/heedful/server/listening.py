"""Listening: an application and an address in; a running server with its real port out. A taken port is told in one line."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from heedful.errors import ServerError

START_S = 30.0


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 lets the system choose. Raises ServerError."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = error.strerror or error
        raise ServerError(f"cannot listen on {host} port {port}: {reason}", "heedful serve --port 0 takes a free port") from None


def address(listener: socket.socket) -> str:
    """The URL of the API for an OpenAI client."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def server_of(app: FastAPI) -> uvicorn.Server:
    """uvicorn's access logs stay off: they name whole addresses. Its own handlers too, so that `server.logs` decides."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of writes to clients that have left
    config = uvicorn.Config(app, log_level="warning", log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=5)
    return uvicorn.Server(config)


@contextmanager
def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread while the block runs; yields the URL of the API. Raises ServerError when it does not start."""
    listener = bind(host, port)
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise ServerError(f"the server at {address(listener)} did not start", "heedful doctor")
            time.sleep(0.02)
        yield address(listener)
    finally:
        server.should_exit = True
        thread.join(START_S)
        listener.close()
