"""Metrics: a real server is asked, and what it then tells to Prometheus is read with Prometheus' own parser."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

from heedful.companion.turn import Companion
from heedful.engines.base import Engine
from heedful.engines.scripted import ScriptedEngine
from heedful.server.access import Access, Caller
from heedful.server.app import create_app
from heedful.server.catalog import ModelCard, StaticCatalog
from test_server import MANY_WORDS, serving, wait_until

SECRET = "a very particular sorrow"  # stands for the words of a person
CHAT: Any = [{"role": "user", "content": SECRET}]


@dataclass(frozen=True)
class Named:
    inner: StaticCatalog

    def cards(self) -> list[ModelCard]:
        return [ModelCard("warm-1", 0, "tiny", ("champion", "previous")), ModelCard("endless")]

    def engines(self) -> list[Engine]:
        return self.inner.engines()

    async def resolve(self, name: str, subject: str = "") -> Companion:
        return await self.inner.resolve("warm-1" if name == "champion" else name)


@pytest.fixture
def address() -> Iterator[str]:
    engines = [ScriptedEngine("warm-1", ["I am here. <|im_end|>"]), ScriptedEngine("endless", [MANY_WORDS], delay_s=0.05)]
    catalog = Named(StaticCatalog({engine.model: Companion(engine, "") for engine in engines}))
    with serving(create_app(catalog)) as url:
        yield url


def read(address: str) -> dict[tuple[str, ...], float]:
    """By name and values of the labels, in the order of the labels' names."""
    answer = httpx.get(f"{address}/metrics")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert SECRET not in answer.text
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in samples}


def test_what_was_asked_is_counted(address: str) -> None:
    client = OpenAI(base_url=f"{address}/v1", api_key="-", max_retries=0)
    usage = client.chat.completions.create(model="champion", messages=CHAT).usage
    assert usage is not None
    assert "".join(
        c.choices[0].delta.content or "" for c in client.chat.completions.create(model="warm-1", messages=CHAT, stream=True)
    )
    client.chat.completions.create(model="warm-1", messages=[{"role": "user", "content": "I want to kill myself tonight."}])
    assert httpx.get(f"{address}/no/such/{SECRET}").status_code == 404
    found = read(address)
    assert found["heedful_requests_total", "POST", "/v1/chat/completions", "200"] == 3
    assert found["heedful_requests_total", "GET", "none", "404"] == 1
    assert found["heedful_requests_running",] == 1  # the one that reads this
    assert found["heedful_tokens_total", "prompt", "warm-1"] == 2 * usage.prompt_tokens
    assert found["heedful_tokens_total", "completion", "warm-1"] == 2 * usage.completion_tokens
    assert found["heedful_first_token_seconds_count", "warm-1"] == found["heedful_reply_seconds_count", "warm-1"] == 3
    assert sum(value for key, value in found.items() if key[0] == "heedful_guarded_turns_total" and key[1] == "true") == 1
    assert found["heedful_guarded_turns_total", "false", "none"] == 2
    assert found["heedful_findings_total", "chat tag"] == 2
    assert found["heedful_alias", "champion", "warm-1"] == found["heedful_alias", "previous", "warm-1"] == 1


def test_who_leaves_is_not_running_any_more(address: str) -> None:
    with httpx.stream(
        "POST", f"{address}/v1/chat/completions", json={"model": "endless", "messages": CHAT, "stream": True}
    ) as answer:
        lines = answer.iter_lines()  # kept: dropping it would hang up
        assert next(lines).startswith("data: ")
        assert read(address)["heedful_requests_running",] == 2
        assert read(address)["heedful_replies", "endless", "running"] == 1
    wait_until(lambda: read(address)["heedful_requests_running",] == 1, 2)
    assert read(address)["heedful_replies", "endless", "running"] == read(address)["heedful_replies", "endless", "waiting"] == 0


def test_only_operators_see_them() -> None:
    callers = {role: Caller(1, role, None, None) for role in ("client", "clinician", "operator")}
    with serving(create_app(StaticCatalog({}), Access(find=callers.get))) as url:
        status = {role: httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {role}"}).status_code for role in callers}
        assert httpx.get(f"{url}/metrics").status_code == 401
    assert status == {"client": 403, "clinician": 403, "operator": 200}
