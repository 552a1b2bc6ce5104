"""Metrics: what the server does, in; numbers and names in Prometheus' text format, never a word of a person, out.

| metric | labels | |
| --- | --- | --- |
| heedful_requests_total | method, route, status | refused ones too; a route is its template, never the address itself |
| heedful_requests_running | | requests that are not answered to their end yet |
| heedful_tokens_total | model, kind (prompt, completion) | of replies that the engine ended |
| heedful_first_token_seconds | model | from the request to the first piece of text |
| heedful_reply_seconds | model | from the request to the end of the reply |
| heedful_guarded_turns_total | tier, answered | turns by what the crisis guard saw; answered: a template stood in for the model |
| heedful_findings_total | finding | what was rewritten, replaced or ended in replies |
| heedful_served_total | served (guard, local, upstream), mode, why | who wrote what people read |
| heedful_served_seconds | served | from the beginning of the turn to its end; p50 and p95 come from its buckets |
| heedful_upstream_cost_total | | in the team's money, by `upstream.price_read` and `price_written` |
| heedful_routes_total | route | where turns are routed |
| heedful_replies | model, state (running, waiting) | of each engine that takes memory now |
| heedful_alias | alias, model | 1 for each name that stands for a version now |

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response
from starlette.types import Message, Scope

from heedful.companion.turn import Reply
from heedful.server.access import allow
from heedful.server.catalog import Catalog

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
NO_ROUTE = "none"  # no such address, or refused at the door
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Turn:
    """One reply on its way. `begun` is by the clock of time.perf_counter."""

    metrics: "Metrics"
    model: str
    begun: float
    spoken: bool = False

    def piece(self) -> None:
        """A piece of text goes out; only the first one is noted."""
        if not self.spoken:
            self.metrics.first_token.labels(self.model).observe(time.perf_counter() - self.begun)
            self.spoken = True

    def end(self, reply: Reply) -> None:
        trace = reply.trace
        self.metrics.served.labels(trace.served, trace.mode, trace.why).inc()
        self.metrics.served_seconds.labels(trace.served).observe(trace.seconds.total)
        self.metrics.cost.inc(trace.cost)
        if trace.route is not None:
            self.metrics.routes.labels(trace.route.name).inc()
        self.metrics.reply.labels(self.model).observe(time.perf_counter() - self.begun)
        for kind, count in (("prompt", reply.prompt_tokens), ("completion", reply.completion_tokens)):
            self.metrics.tokens.labels(self.model, kind).inc(count)
        self.metrics.turns.labels(reply.guard.tier, str(reply.guard.answered).lower()).inc()
        for finding in (*reply.guard.found, *reply.cleaned):
            self.metrics.findings.labels(finding).inc()


class Metrics:
    """The collectors of one server."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("heedful_requests", "Requests.", ("method", "route", "status"), registry=registry)
        self.running = Gauge("heedful_requests_running", "Requests under way.", registry=registry)
        self.tokens = Counter("heedful_tokens", "Tokens read and written.", ("model", "kind"), registry=registry)
        self.first_token = histogram("heedful_first_token_seconds", "Until the first piece of a reply.", registry)
        self.reply = histogram("heedful_reply_seconds", "Until the end of a reply.", registry)
        self.turns = Counter("heedful_guarded_turns", "Turns by danger.", ("tier", "answered"), registry=registry)
        self.findings = Counter("heedful_findings", "Things taken out of replies.", ("finding",), registry=registry)
        self.served = Counter("heedful_served", "Turns by who served them.", ("served", "mode", "why"), registry=registry)
        self.served_seconds = histogram("heedful_served_seconds", "Of whole turns.", registry, "served")
        self.cost = Counter("heedful_upstream_cost", "What the upstream cost.", registry=registry)
        self.routes = Counter("heedful_routes", "Turns by route.", ("route",), registry=registry)
        self.replies = Gauge("heedful_replies", "Replies being written, and in the queue.", ("model", "state"), registry=registry)
        self.alias = Gauge("heedful_alias", "Names of versions.", ("alias", "model"), registry=registry)

    def turn(self, model: str) -> Turn:
        return Turn(self, model, time.perf_counter())

    @contextmanager
    def request(self, scope: Scope) -> Iterator["Status"]:
        """Counts one request; the block tells the Status what it sends."""
        status = Status()
        self.running.inc()
        try:
            yield status
        finally:
            self.running.dec()
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            self.requests.labels(method_of(scope), route, status.code).inc()

    async def text(self, catalog: Catalog) -> bytes:
        """All of it, with aliases and engines as they stand now."""
        cards = await asyncio.to_thread(catalog.cards)
        found = [(engine.model, await engine.health()) for engine in catalog.engines()]
        self.alias.clear()
        for card in cards:
            for name in card.aliases:
                self.alias.labels(name, card.id).set(1)
        self.replies.clear()
        for model, health in found:  # a model may be loaded twice, while replies of one that was let go end
            self.replies.labels(model, "running").inc(health.running)
            self.replies.labels(model, "waiting").inc(health.waiting)
        return generate_latest(self.registry)


def method_of(scope: Scope) -> str:
    """Any word may stand there; without bounds, somebody without a key could fill the memory with labels."""
    return scope["method"] if scope["method"] in METHODS else "other"


@dataclass(slots=True)
class Status:
    """`code` is 0 while nothing was sent: the client had left."""

    code: int = 0

    def see(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.code = message["status"]


def histogram(name: str, words: str, registry: CollectorRegistry, label: str = "model") -> Histogram:
    return Histogram(name, words, (label,), buckets=SECONDS, registry=registry)


def metrics_router(catalog: Catalog, metrics: Metrics) -> APIRouter:
    router = APIRouter(dependencies=[allow({"operator"})])
    content = {"text/plain": {"schema": {"type": "string"}}}

    @router.get("/metrics", response_class=Response, responses={200: {"content": content}})
    async def show_metrics() -> Response:
        """For Prometheus."""
        return Response(await metrics.text(catalog), media_type=CONTENT_TYPE_LATEST)

    return router
