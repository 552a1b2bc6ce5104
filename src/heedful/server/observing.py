"""Observing: what the server does, in; a line of the log and a span for each request and each turn, without text of people, out.

Only templates of routes are named: an address may hold what somebody typed.
"""

import logging
import time
from contextlib import nullcontext
from dataclasses import asdict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedful.companion.trace import Record, Trace
from heedful.server.metrics import NO_ROUTE, Status, method_of
from heedful.server.spans import Spans

LOG = logging.getLogger("heedful.requests")
TURNS = logging.getLogger("heedful.turns")


def observed(app: ASGIApp, spans: Spans | None) -> ASGIApp:
    """The outermost layer of the application."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status, began = Status(), time.perf_counter()

        async def send_seen(message: Message) -> None:
            status.see(message)
            await send(message)

        method = method_of(scope)
        with nullcontext() if spans is None else spans.request(method) as span:
            await app(scope, receive, send_seen)
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            request = scope.get("state", {}).get("request_id", "")  # a browser's question beforehand has none
            if span is not None:
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status.code})
                span.set_attribute("heedful.request", request)
        facts = {"request": request, "method": method, "route": route, "status": status.code}
        facts["seconds"] = round(time.perf_counter() - began, 4)
        LOG.info("%s %s: %d", method, route, status.code, extra={"facts": facts})

    return serve


def records(*kept: Record | None) -> Record:
    """One that tells all of them."""
    several = [one for one in kept if one is not None]

    def record(trace: Trace, subject: str) -> None:
        for one in several:
            one(trace, subject)

    return record


def log_turn(trace: Trace, subject: str) -> None:
    """A `Record`. Whose turn it was stays out."""
    facts = {"turn": trace.turn, "model": trace.model, "served": trace.served, "ended": trace.ended, "tier": trace.guard.tier}
    tokens = {"prompt_tokens": trace.prompt_tokens, "completion_tokens": trace.completion_tokens}
    seconds = {stage: round(spent, 4) for stage, spent in asdict(trace.seconds).items()}
    TURNS.info("turn of %s: %s", trace.model, trace.ended, extra={"facts": {**facts, **tokens, "seconds": seconds}})
