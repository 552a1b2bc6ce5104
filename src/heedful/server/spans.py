"""Spans: requests and turns in; OpenTelemetry spans, with names and numbers and never a word of a person, out.

Off unless `server.otlp` names a collector; nothing of OpenTelemetry is imported before. A span is of a request, named by its
method and the template of its route, or of a turn, which is its child.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from heedful.companion.trace import Trace
from heedful.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

NS = 1_000_000_000


class Spans:
    """`provider` has whoever exports them."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._tracer = provider.get_tracer("heedful")

    @contextmanager
    def request(self, method: str) -> Iterator["Span"]:
        """Of one request while the block runs; turns in it are its children. Whoever has the span says at the end what it was."""
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(
            method, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span

    def turn(self, trace: Trace, subject: str) -> None:
        """A span of a turn that has ended: a `Record`."""
        from opentelemetry.trace import Status, StatusCode

        ended = time.time_ns()
        span = self._tracer.start_span("turn", start_time=ended - round(trace.seconds.total * NS), attributes=attributes_of(trace))
        if trace.ended == "failed":
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)


def attributes_of(trace: Trace) -> dict[str, str | int | float | tuple[str, ...]]:
    """Names, counts and seconds."""
    return {
        "heedful.turn": trace.turn,
        "heedful.model": trace.model,
        "heedful.prompt": trace.prompt,
        "heedful.variant": trace.variant,
        "heedful.mode": trace.mode,
        "heedful.served": trace.served,
        "heedful.ended": trace.ended,
        "heedful.guard.tier": trace.guard.tier,
        "heedful.guard.answered": trace.guard.answered,
        "heedful.guard.found": tuple(trace.guard.found),
        "heedful.sources": len(trace.sources),
        "heedful.attributed": len(trace.attributed),
        "gen_ai.usage.input_tokens": trace.prompt_tokens,
        "gen_ai.usage.output_tokens": trace.completion_tokens,
        **{f"heedful.seconds.{stage}": seconds for stage, seconds in asdict(trace.seconds).items()},
    }


@contextmanager
def spans_to(collector: str | None) -> Iterator[Spans | None]:
    """Sent to that address in the background while the block runs, and the last of them at its end; None where there is none."""
    if collector is None:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError("server.otlp is set, but OpenTelemetry is not installed", "pip install 'heedful[otel]'") from None
    provider = TracerProvider(resource=Resource({"service.name": "heedful"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector)))
    try:
        yield Spans(provider)
    finally:
        provider.shutdown()
