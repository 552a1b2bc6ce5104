"""The server as its clients meet it: uvicorn on a free port, asked by the official openai client and by plain HTTP."""

import json
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from openai import OpenAI

from heedful.companion.turn import Companion
from heedful.conversation import Message
from heedful.engines.base import Engine, Finished, Generation, Piece, Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.server.app import create_app
from heedful.server.catalog import ModelCard, StaticCatalog

REPLY = "That sounds heavy. Take one slow breath, then tell me more – I am here."
MANY_WORDS = " ".join(map("".join, product("abcdefgh", repeat=4)))  # no loop and no number, which the guard would hold back
WORDS = "one two three four five six seven eight nine ten"
HELLO: Any = [{"role": "user", "content": "I cannot sleep before exams."}]


@dataclass(frozen=True)
class ForgetfulEngine:
    """Two messages did not fit in its context."""

    model: str = "forgetful"

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        yield Piece("Yes.")
        yield Finished("stop", 9, 1, dropped_messages=2)

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        raise AssertionError("the server streams")

    async def close(self) -> None: ...


ENGINES = {
    "warm-1": ScriptedEngine("warm-1", [REPLY]),
    "counting": ScriptedEngine("counting", [WORDS]),
    "slow": ScriptedEngine("slow", [WORDS], delay_s=0.05),
    "endless": ScriptedEngine("endless", ["again and " * 5_000], delay_s=0.02),
}


@dataclass(frozen=True)
class Shelf:
    """A catalog with an alias: `champion` answers as warm-1."""

    inner: StaticCatalog

    def cards(self) -> list[ModelCard]:
        return [ModelCard("warm-1", 1_700_000_000, "tiny", ("champion",)), *self.inner.cards()[1:]]

    def engines(self) -> list[Engine]:
        return self.inner.engines()

    async def resolve(self, name: str, subject: str = "") -> Companion:
        return await self.inner.resolve("warm-1" if name == "champion" else name)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a real server in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    sampling = Sampling(max_new_tokens=20_000)
    companions = {name: Companion(engine, "Be kind.", sampling) for name, engine in ENGINES.items()}
    companions["forgetful"] = Companion(ForgetfulEngine(), "", sampling)
    with serving(create_app(Shelf(StaticCatalog(companions)))) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture(scope="module")
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=20) as made:
        yield made


def asked(model: str = "warm-1", **parameters: Any) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, **parameters}


def test_a_whole_answer(client: OpenAI) -> None:
    completion = client.chat.completions.create(**asked("champion"))
    assert completion.id.startswith("chatcmpl-") and abs(completion.created - time.time()) < 60
    assert (completion.object, completion.model) == ("chat.completion", "warm-1")
    [choice] = completion.choices
    assert (choice.index, choice.finish_reason, choice.message.role, choice.message.content) == (0, "stop", "assistant", REPLY)
    usage = completion.usage
    assert usage is not None and usage.completion_tokens == len(REPLY.split())
    assert usage.prompt_tokens > 0 and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert completion._request_id is not None and completion._request_id.startswith("req_")


def test_a_streamed_answer_has_openais_chunks(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(**asked(stream=True)))
    assert {(c.id, c.created, c.model, c.object) for c in chunks} == {
        (chunks[0].id, chunks[0].created, "warm-1", "chat.completion.chunk")
    }
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert {delta.role for delta in deltas[1:]} == {None}
    assert "".join(delta.content or "" for delta in deltas) == REPLY
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert deltas[-1].content is None and len(chunks) > 4


def test_usage_comes_last_where_it_was_asked_for(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(**asked(stream=True, stream_options={"include_usage": True})))
    whole = client.chat.completions.create(**asked())
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-2].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_on_the_wire(http: httpx.Client, usage: bool) -> None:
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if usage else {}
    response = http.post("/v1/chat/completions", json=asked(stream=True, **options))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert response.headers["x-request-id"].startswith("req_")
    assert response.content.isascii() and response.content.endswith(b"}\n\ndata: [DONE]\n\n")
    lines = response.text.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines)
    first, *_, last = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert first["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
    ]
    assert ("usage" in first) == usage and first.get("usage") is None
    assert (last["choices"] == []) == usage


def test_sampling_reaches_the_engine(client: OpenAI) -> None:
    create, engine = client.chat.completions.create, ENGINES["counting"]
    assert create(**asked("counting", seed=5)).choices == create(**asked("counting", seed=5)).choices
    assert engine.samplings[-1].seed == 5
    short = create(**asked("counting", max_tokens=3, temperature=0, top_p=0.5))
    assert short.choices[0].finish_reason == "length" and short.usage is not None and short.usage.completion_tokens == 3
    assert engine.samplings[-1] == Sampling(max_new_tokens=3, temperature=0, top_p=0.5)


@pytest.mark.parametrize("stop", ["four fi", ["seven", " four", "none"]])
def test_stop_cuts_whole_and_streamed_answers_alike(client: OpenAI, stop: str | list[str]) -> None:
    text = "one two three" if isinstance(stop, list) else "one two three "
    [choice] = client.chat.completions.create(**asked("counting", stop=stop)).choices
    assert (choice.message.content, choice.finish_reason) == (text, "stop")
    chunks = list(client.chat.completions.create(**asked("counting", stop=stop, stream=True)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_messages_that_did_not_fit_are_told(client: OpenAI) -> None:
    whole = client.chat.completions.create(**asked("forgetful"))
    *others, last = client.chat.completions.create(**asked("forgetful", stream=True))
    assert whole.model_extra == last.model_extra == {"dropped_messages": 2}
    assert {str(chunk.model_extra) for chunk in others} == {"{}"}


def test_stop_closes_the_engine_at_once_unless_usage_is_owed(client: OpenAI) -> None:
    before = ENGINES["endless"].cancelled
    list(client.chat.completions.create(**asked("endless", stop="and", stream=True)))
    wait_until(lambda: ENGINES["endless"].cancelled == before + 1)
    counted = list(client.chat.completions.create(**asked("slow", stop="two", stream=True, stream_options={"include_usage": True})))
    assert counted[-1].usage is not None and counted[-1].usage.completion_tokens == 10


def test_two_streams_run_side_by_side(client: OpenAI) -> None:
    def times(_: int) -> list[float]:
        return [time.monotonic() for _ in client.chat.completions.create(**asked("slow", stream=True))]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(times, range(2))
    assert one[0] < other[-1] and other[0] < one[-1]
    assert len(one) == len(other) >= 10


def test_a_client_that_hangs_up_cancels_the_stream(client: OpenAI) -> None:
    engine = ENGINES["endless"]
    before = engine.cancelled
    stream = client.chat.completions.create(**asked("endless", stream=True))
    next(iter(stream))
    stream.close()
    wait_until(lambda: engine.cancelled == before + 1)


def test_a_client_that_hangs_up_cancels_a_whole_answer(http: httpx.Client) -> None:
    engine = ENGINES["endless"]
    before = engine.cancelled
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json=asked("endless"), timeout=0.3)
    wait_until(lambda: engine.cancelled == before + 1)


def test_a_client_that_hangs_up_while_it_asks_is_no_failure(address: str, caplog: pytest.LogCaptureFixture) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"
        )
    time.sleep(0.2)
    assert caplog.text == ""


def test_models(client: OpenAI, http: httpx.Client) -> None:
    assert [model.id for model in client.models.list()] == [*ENGINES, "forgetful"]
    assert client.models.retrieve("champion") == client.models.retrieve("warm-1")
    entry = {
        "id": "warm-1",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "heedful",
        "base": "tiny",
        "aliases": ["champion"],
    }
    assert http.get("/v1/models/warm-1").json() == entry
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("some/where")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_health_and_home(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    home = http.get("/")
    assert home.headers["content-type"] == "text/html; charset=utf-8"
    assert "<li><code>warm-1, champion</code></li>" in home.text and "not a therapist" in home.text


def test_home_escapes_names() -> None:
    catalog = StaticCatalog({"<script>": Companion(ENGINES["warm-1"], "", Sampling())})
    with serving(create_app(catalog)) as url:
        assert "<code>&lt;script&gt;</code>" in httpx.get(url).text


def test_openapi_is_true(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/",
        "/healthz",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/moderations",
        "/metrics",
    }
    assert "HTTPValidationError" not in json.dumps(document) and "'422'" not in str(document)
    post = document["paths"]["/v1/chat/completions"]["post"]
    assert set(post["responses"]) == {"200", "400", "401", "403", "404", "413", "415", "429", "500", "503"}
    assert set(post["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert post["responses"]["400"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorEnvelope"}
    body = post["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["model", "messages"] and body["additionalProperties"] is False
    assert body["properties"]["tools"]["description"] == "Not supported. Allowed: []."
