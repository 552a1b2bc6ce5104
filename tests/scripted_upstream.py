"""A real server on a port that speaks OpenAI's chat API by a script, well or badly, and keeps what it was asked. For tests."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

QUICK = {"Retry-After": "0"}

Play = Callable[["Handler"], None]


@dataclass
class Script:
    """One answer a request, the last for all that follow; and what was asked."""

    answers: list[Play]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    gone: int = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        self.script.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.script.keys.append(self.headers["Authorization"])
        answers = self.script.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def refuse(status: int, headers: dict[str, str] | None = None, code: str = "") -> Play:
    def play(handler: Handler) -> None:
        body = json.dumps({"error": {"message": "what somebody said", "code": code or None}}).encode()
        handler.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return play


def speak(*words: str, end: str | None = "stop", usage: dict[str, int] | None = None, pause_s: float = 0.0) -> Play:
    def play(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            send(handler, {"choices": [{"delta": {"role": "assistant", "content": ""}}]})
            for word in words:
                send(handler, {"choices": [{"delta": {"content": word}, "finish_reason": None}]})
                time.sleep(pause_s)
            if end is not None:
                send(handler, {"choices": [{"delta": {}, "finish_reason": end}]})
            if usage is not None:
                send(handler, {"choices": [], "usage": usage})
            handler.wfile.write(b": a comment\n\ndata: [DONE]\n\n")
        except OSError:
            handler.script.gone += 1
        handler.close_connection = True

    return play


def send(handler: Handler, event: dict[str, Any]) -> None:
    handler.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
    handler.wfile.flush()


def raw(text: bytes) -> Play:
    def play(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    return play


@contextmanager
def upstream_of_script(script: Script) -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"script": script}))
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
