"""Observing: what logs and spans tell of requests and turns, error paths included, and that no word of a person is in them."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heedful.companion.turn import Companion
from heedful.config import load_settings
from heedful.conversation import Message
from heedful.engines.scripted import ScriptedEngine
from heedful.server.access import Access
from heedful.server.app import create_app
from heedful.server.assembly import assembled
from heedful.server.catalog import StaticCatalog
from heedful.server.logs import JsonLines
from heedful.server.observing import log_turn, observed, records
from heedful.server.spans import Spans, spans_to
from heedful.store.database import open_store
from heedful.workspace import Workspace
from test_server import serving

SECRET = "zebrafinch"  # stands for the words of a person
ANSWER = "Xylophones calm many people. Try one."
DANGER = f"I want to kill myself tonight, {SECRET}."


def fail_with_words(messages: Sequence[Message]) -> str:
    raise ValueError(f"cannot read {messages[-1].content}")


ENGINES = (
    ScriptedEngine("warm-1", [ANSWER]),
    ScriptedEngine("breaks", [ANSWER], fail_after=3),
    ScriptedEngine("faulty", fail_with_words),
)


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Everything that anybody logs, at any level, as JSON lines; but for the client of these tests, which names what it asks."""
    root, seen, levels = logging.getLogger(), io.StringIO(), {}
    handler = logging.StreamHandler(seen)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))
    root.addHandler(handler)
    for logger in (root, logging.getLogger("sqlalchemy")):
        levels[logger] = logger.level
        logger.setLevel(1)
    try:
        yield seen
    finally:
        root.removeHandler(handler)
        for logger, level in levels.items():
            logger.setLevel(level)


def chat(address: str, model: str = "warm-1", words: str = SECRET, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": f"I feel {words}."}], **more}
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=60)


def ask_in_every_way(address: str) -> list[int]:
    """Whole, streamed, in danger, wrong in many ways; the statuses."""
    found = [
        chat(address),
        chat(address, stream=True),
        chat(address, words=DANGER),
        chat(address, user=SECRET, metadata={"note": SECRET}),
        chat(address, "breaks"),
        chat(address, "breaks", stream=True),
        chat(address, "faulty"),
        chat(address, "faulty", stream=True),
        chat(address, SECRET),
        chat(address, **{SECRET: 1}),
        chat(address, temperature=SECRET),
        httpx.post(f"{address}/v1/chat/completions", content=f'{{"model": "{SECRET}', headers={"Content-Type": "application/json"}),
        httpx.get(f"{address}/v1/models/{SECRET}"),
        httpx.get(f"{address}/{SECRET}?q={SECRET}"),
        httpx.request(SECRET.upper(), f"{address}/healthz"),
        httpx.post(f"{address}/v1/moderations", json={"input": SECRET}),
        httpx.post(f"{address}/v1/embeddings", json={"model": "all-minilm-l6-v2", "input": SECRET}),
    ]
    assert chat(address, stream=True).text.count('"content"') > 3
    return [answer.status_code for answer in found]


STATUSES = [200, 200, 200, 200, 503, 200, 500, 500, 404, 400, 400, 400, 404, 404, 405, 200, 200]


@contextmanager
def watched(spans: Spans | None = None) -> Iterator[str]:
    record = records(log_turn, None if spans is None else spans.turn)
    app = create_app(StaticCatalog({engine.model: Companion(engine, f"Be {SECRET}.", record=record) for engine in ENGINES}))
    app.add_middleware(observed, spans=spans)
    with serving(app) as address:
        yield address


def words_of_people(text: str) -> list[str]:
    return [word for word in (SECRET, SECRET.upper(), "Xylophone", "calm", "kill") if word in text]


def test_logs_tell_of_requests_and_turns_and_never_of_words() -> None:
    with logged() as seen, watched() as address:
        assert ask_in_every_way(address) == STATUSES
    assert words_of_people(seen.getvalue()) == []
    lines = [json.loads(line) for line in seen.getvalue().splitlines()]
    requests = [line for line in lines if line["logger"] == "heedful.requests"]
    assert [line["status"] for line in requests] == [*STATUSES, 200]
    assert requests[0] | {"time": "", "request": "", "seconds": 0} == {
        "time": "", "level": "info", "logger": "heedful.requests", "message": "POST /v1/chat/completions: 200", "request": "",
        "method": "POST", "route": "/v1/chat/completions", "status": 200, "seconds": 0,
    }  # fmt: skip
    assert requests[13]["route"] == "none" and requests[14]["method"] == "other"
    turns = [line for line in lines if line["logger"] == "heedful.turns"]
    assert [turn["ended"] for turn in turns] == ["done"] * 4 + ["failed"] * 4 + ["done"]
    assert (turns[2]["tier"], turns[2]["served"]) == ("imminent", "guard")
    assert turns[0]["request"] == requests[0]["request"] and turns[0]["completion_tokens"] == 6
    asked = requests[6]["request"]
    (fault,) = [line for line in lines if line["level"] == "error" and "ValueError" in line["message"] and line["request"] == asked]
    assert "ValueError < test_observing.py" in fault["message"]


def test_a_chat_with_a_real_model_leaves_no_word_in_any_log(workspace: Workspace) -> None:
    """SQL statements of the store are logged too, at these levels; their values are not."""
    with logged() as seen:
        settings = load_settings(workspace.config_file, {"generation": {"max_new_tokens": 12}})
        store = open_store(workspace.database)
        with assembled(workspace, store, settings, Access()) as (app, _), serving(app) as address:
            granted = httpx.post(f"{address}/api/consent", json={"person": SECRET, "purpose": "chat", "decision": "granted"})
            answer = chat(address, "base", user=SECRET, temperature=0, store=True)
        store.close()
    assert (granted.status_code, answer.status_code) == (200, 200)
    said = answer.json()["choices"][0]["message"]["content"]
    assert len(said) > 10 and said not in seen.getvalue()
    assert words_of_people(seen.getvalue()) == [] and "INSERT INTO" in seen.getvalue()


def test_spans_of_requests_and_turns() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with watched(Spans(provider)) as address:
        assert ask_in_every_way(address) == STATUSES
    provider.shutdown()
    spans = kept.get_finished_spans()
    assert words_of_people("".join(span.to_json() for span in spans)) == []
    requests, turns = ([span for span in spans if (span.name == "turn") is is_turn] for is_turn in (False, True))
    assert [attribute(span, "http.response.status_code") for span in requests] == [*STATUSES, 200]
    assert requests[0].name == "POST /v1/chat/completions" and requests[13].name == "GET none"
    assert len(turns) == 9
    parents = {request.context.span_id: request for request in requests}
    assert {parents[turn.parent.span_id].name for turn in turns if turn.parent is not None} == {"POST /v1/chat/completions"}
    assert all(turn.parent is not None for turn in turns)
    assert [attribute(turn, "heedful.served") for turn in turns[:3]] == ["local", "local", "guard"]
    assert [turn.status.is_ok for turn in turns] == [True] * 4 + [False] * 4 + [True]
    assert attribute(turns[0], "gen_ai.usage.output_tokens") == 6
    assert all((turn.end_time or 0) >= (turn.start_time or 0) for turn in turns)


def attribute(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {})[name]


def test_nothing_of_it_is_loaded_unless_a_collector_is_named() -> None:
    with spans_to(None) as spans:
        assert spans is None
    program = "import sys, heedful.server.assembly; sys.exit('opentelemetry.sdk' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_spans_go_to_the_named_collector() -> None:
    """A server of our own stands in for it and says what came."""
    from fastapi import FastAPI, Request

    came: list[bytes] = []
    collector = FastAPI()

    @collector.post("/v1/traces")
    async def take(request: Request) -> dict[str, str]:
        came.append(await request.body())
        return {}

    with serving(collector) as address, spans_to(f"{address}/v1/traces") as spans:
        assert spans is not None
        with watched(spans) as url:
            assert chat(url).status_code == 200
    assert b"heedful" in b"".join(came) and b"turn" in b"".join(came)


@pytest.mark.parametrize("name", ["ftp://x", "127.0.0.1:4318"])
def test_a_collector_is_an_address(name: str) -> None:
    with pytest.raises(Exception, match=r"server\.otlp"):
        load_settings(None, {"server": {"otlp": name}})
