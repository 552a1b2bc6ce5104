"""What the server refuses and how it fails: the status, OpenAI's envelope, and nothing of what a person wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from heedful.companion.turn import Companion
from heedful.conversation import Message
from heedful.engines.base import Engine, Sampling
from heedful.engines.context import fit
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import RegistryError
from heedful.server.app import create_app
from heedful.server.catalog import ModelCard, StaticCatalog
from test_server import serving

WORDS = "one two three four five six seven eight nine ten"
SECRET = "I have not told anyone"


def fail_unexpectedly(messages: Sequence[Message]) -> str:
    raise ValueError(f"cannot read {messages[-1].content}")


def fill_the_context(messages: Sequence[Message]) -> str:
    fit(messages, lambda kept: list(range(99)), context=64, reply=8)
    raise AssertionError("the context is full")


ENGINES = {
    "warm-1": ScriptedEngine("warm-1", [WORDS]),
    "breaks": ScriptedEngine("breaks", [WORDS], fail_after=3),
    "down": ScriptedEngine("down", [WORDS], fail_after=0),
    "full": ScriptedEngine("full", fill_the_context),
    "faulty": ScriptedEngine("faulty", fail_unexpectedly),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    companions = {name: Companion(engine, "Be kind.", Sampling()) for name, engine in ENGINES.items()}
    with serving(create_app(StaticCatalog(companions))) as url:
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
    return {"model": model, "messages": [{"role": "user", "content": SECRET}], **parameters}


def test_an_unknown_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**asked("nobody"))
    error = caught.value
    assert (error.status_code, error.code, error.param, error.type) == (404, "model_not_found", "model", "invalid_request_error")
    assert "unknown model 'nobody'; known: warm-1" in error.message


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({"messages": []}, "messages", "empty_array"),
        ({"temperature": -1}, "temperature", "decimal_below_min_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role", "invalid_value"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "unsupported_parameter"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"extra_body": {"top_k": 4}}, "top_k", "unknown_parameter"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_request(client: OpenAI, parameters: dict[str, Any], param: str, code: str, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked(**{"stream": stream, **parameters}))
    assert (caught.value.param, caught.value.code, caught.value.type) == (param, code, "invalid_request_error")


def envelope(response: httpx.Response) -> dict[str, Any]:
    """The error of an answer that has OpenAI's envelope and nothing else."""
    body = response.json()
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b'{"model": "warm-1", "messages": [', "application/json", 400, "invalid_json"),
        (b"", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid_type"),
        (b"{}", "application/json; charset=utf-8", 400, "missing_required_parameter"),
        (b"{}", "text/plain", 415, "unsupported_content_type"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported_content_type"),
        (b'"' + b"a" * 3_000_000 + b'"', "application/json", 413, "request_too_large"),
    ],
)
def test_a_wrong_body(http: httpx.Client, content: bytes, content_type: str, status: int, code: str) -> None:
    response = http.post("/v1/chat/completions", content=content, headers={"Content-Type": content_type})
    assert response.status_code == status
    assert (envelope(response)["code"], envelope(response)["type"]) == (code, "invalid_request_error")


def test_a_body_without_content_type(http: httpx.Client) -> None:
    assert http.post("/v1/chat/completions", content=b"{}").status_code == 415


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions/", "/docs", "/v1"])
def test_an_unknown_address(http: httpx.Client, path: str) -> None:
    response = http.get(path)
    assert (response.status_code, envelope(response)["code"]) == (404, "unknown_url")


def test_a_wrong_method(http: httpx.Client) -> None:
    response = http.get("/v1/chat/completions")
    assert (response.status_code, envelope(response)["code"], response.headers["allow"]) == (405, "method_not_supported", "POST")


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked("full", stream=stream))
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_cannot_answer(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(**asked("down", stream=stream))
    assert (caught.value.status_code, caught.value.code, caught.value.type) == (503, "service_unavailable", "server_error")
    assert caught.value.response.headers["retry-after"] == "5"


def test_an_engine_that_breaks_in_mid_stream(client: OpenAI, http: httpx.Client) -> None:
    got = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(**asked("breaks", stream=True)):
            got.append(chunk.choices[0].delta.content)
    assert "".join(got) and WORDS.startswith("".join(got))
    assert (caught.value.code, caught.value.type) == ("service_unavailable", "server_error")
    assert "[DONE]" not in http.post("/v1/chat/completions", json=asked("breaks", stream=True)).text


@pytest.mark.parametrize("stream", [False, True])
def test_an_unexpected_failure_tells_nothing_of_people(http: httpx.Client, caplog: pytest.LogCaptureFixture, stream: bool) -> None:
    response = http.post("/v1/chat/completions", json=asked("faulty", stream=stream))
    assert (response.status_code, envelope(response)["type"], envelope(response)["code"]) == (500, "server_error", "internal_error")
    assert SECRET not in response.text and "Traceback" not in response.text
    assert response.headers["x-request-id"] in caplog.text and "ValueError < test_server_errors.py" in caplog.text
    assert SECRET not in caplog.text and "Traceback" not in caplog.text


def test_a_catalog_that_fails() -> None:
    @dataclass(frozen=True)
    class Closed:
        def cards(self) -> list[ModelCard]:
            raise KeyError(SECRET)

        def engines(self) -> list[Engine]:
            return []

        async def resolve(self, name: str, subject: str = "") -> Companion:
            raise RegistryError("no model was promoted yet")

    with serving(create_app(Closed())) as url:
        assert envelope(httpx.get(f"{url}/v1/models"))["code"] == "internal_error"
        refused = httpx.post(f"{url}/v1/chat/completions", json=asked())
        assert (refused.status_code, envelope(refused)["message"]) == (404, "no model was promoted yet")
