"""An upstream that speaks OpenAI's chat API (vLLM, Ollama, llama-server, Groq and others): messages in, our events out.

An upstream is asked only for what it is known to take (`fields`), because some refuse a request for one unknown field and others
ignore it. It is asked again, after a pause, as long as nothing of the reply has come; then no more, for the person has read a part.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from heedful.conversation import FinishReason, Message
from heedful.engines.base import Capabilities, Finished, Generation, Health, Piece, Sampling
from heedful.errors import EngineError, PromptTooLong

if TYPE_CHECKING:
    import httpx

LOG = logging.getLogger("heedful.engines")
CONNECT_S, HEALTH_S = 5.0, 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 20.0
TOGETHER = 8  # chats of one `generate` that are asked at the same time
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}

# Every field of ours that some upstream knows, under each name it has anywhere.
FIELDS: dict[str, Callable[[Sampling], Any]] = {
    "max_tokens": lambda sampling: sampling.max_new_tokens,
    "max_completion_tokens": lambda sampling: sampling.max_new_tokens,
    "temperature": lambda sampling: sampling.temperature,
    "top_p": lambda sampling: sampling.top_p,
    "seed": lambda sampling: sampling.seed,
    "repetition_penalty": lambda sampling: sampling.repetition_penalty,  # vLLM; it counts the prompt
    "repeat_penalty": lambda sampling: sampling.repetition_penalty,  # llama-server; likewise
    "stream_options": lambda _: {"include_usage": True},
}
USUAL = ("max_tokens", "temperature", "top_p", "seed", "stream_options")


@dataclass(frozen=True, slots=True)
class Upstream:
    """`url` ends before `/chat/completions`; `key` is the key itself, or None; `timeout_s` is for each piece of a reply."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    fields: tuple[str, ...] = USUAL
    timeout_s: float = 60.0
    retries: int = 3


class Again(Exception):  # noqa: N818 - no failure yet: a reason to ask once more
    """`wait_s` is what the upstream asked for, or None."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait_s = reason, wait_s


class OpenAICompatibleEngine:
    """`model_id` is our name of what the upstream serves as `upstream.model`. Raises EngineError for a field nobody knows."""

    def __init__(self, model_id: str, upstream: Upstream) -> None:
        unknown = sorted(set(upstream.fields) - set(FIELDS))
        if unknown:
            raise EngineError(f"upstream field {unknown[0]!r} is none of {', '.join(FIELDS)}", "edit upstream.fields")
        self._model = model_id
        self._upstream = upstream
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()
        self._running = 0
        self._closed = False

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        sent = set(self._upstream.fields)
        left = [name for name, known in NEEDED.items() if not sent & known]
        how = f"{self._upstream.url}, which is not told {', '.join(left)}" if left else self._upstream.url
        return Capabilities("openai_compatible", None, None, how)

    async def health(self) -> Health:
        import httpx

        try:
            answer = await self._client().get("models", timeout=HEALTH_S)
        except (httpx.HTTPError, EngineError):
            return Health(False, self._running, 0)
        return Health(answer.status_code < 500, self._running, 0)

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        if not messages:
            raise EngineError("the chat has no message; at least one is needed", "add a user message")
        body = self._body(messages, sampling)
        self._running += 1
        try:
            for attempt in range(self._upstream.retries + 1):
                spoken = False
                try:
                    async with aclosing(self._ask(body)) as events:
                        async for event in events:
                            spoken = True
                            yield event
                    return
                except Again as again:
                    if spoken or attempt == self._upstream.retries:
                        raise self._failure(again.reason) from None
                    LOG.warning("upstream of %s: %s; asked again", self._model, again.reason)
                    await asyncio.sleep(pause(attempt, again.wait_s))
        finally:
            self._running -= 1

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        free = asyncio.Semaphore(TOGETHER)

        async def one(messages: Sequence[Message]) -> Generation:
            async with free:
                return await self._collect(messages, sampling)

        return await asyncio.gather(*(one(messages) for messages in chats))

    async def close(self) -> None:
        self._closed = True
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _collect(self, messages: Sequence[Message], sampling: Sampling) -> Generation:
        text = ""
        async with aclosing(self.stream(messages, sampling)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return Generation(text, event)
                text += event.text
        raise AssertionError("a stream ends with Finished")

    def _body(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        told = {name: FIELDS[name](sampling) for name in self._upstream.fields}
        chat = [{"role": message.role, "content": message.content} for message in messages]
        kept = {name: value for name, value in told.items() if value is not None}
        return {"model": self._upstream.model, "messages": chat, "stream": True, **kept}

    def _client(self) -> "httpx.AsyncClient":
        """One a loop, for connections belong to one."""
        import httpx

        if self._closed:
            raise EngineError(f"the engine of {self._model} is closed", "load the model again")
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            key = self._upstream.key
            self._clients[loop] = httpx.AsyncClient(
                base_url=f"{self._upstream.url.rstrip('/')}/",
                headers={} if key is None else {"Authorization": f"Bearer {key}"},
                timeout=httpx.Timeout(self._upstream.timeout_s, connect=CONNECT_S),
                trust_env=False,
            )
        return self._clients[loop]

    async def _ask(self, body: dict[str, Any]) -> AsyncGenerator[Piece | Finished, None]:
        """One attempt. Raises Again when another may help."""
        import httpx

        try:
            async with self._client().stream("POST", "chat/completions", json=body) as answer:
                if answer.status_code != 200:
                    raise self._refused(answer.status_code, await answer.aread(), answer.headers.get("retry-after"))
                reading = Reading()
                async for line in answer.aiter_lines():
                    text = reading.feed(line)
                    if text:
                        yield Piece(text)
                yield reading.finished()
        except httpx.TimeoutException:
            raise Again(f"nothing came for {self._upstream.timeout_s:.0f} seconds") from None
        except httpx.HTTPError as error:
            raise Again(f"the connection failed ({type(error).__name__})") from None

    def _refused(self, status: int, body: bytes, retry_after: str | None) -> Exception:
        code = code_of(body)
        if code == "context_length_exceeded":
            return PromptTooLong("the chat is longer than the upstream's context", "shorten the message")
        if status in AGAIN:
            return Again(f"status {status}", seconds_of(retry_after))
        return self._failure(f"status {status}{f', {code}' if code else ''}")

    def _failure(self, reason: str) -> EngineError:
        """Its own words stay out: they may quote what a person wrote."""
        return EngineError(f"the upstream {self._upstream.url} did not answer for {self._model}: {reason}", "heedful doctor")


# What a reply is drawn with, and under which names an upstream may take it.
NEEDED = {
    "max_new_tokens": {"max_tokens", "max_completion_tokens"},
    "temperature": {"temperature"},
    "top_p": {"top_p"},
    "seed": {"seed"},
    "repetition_penalty": {"repetition_penalty", "repeat_penalty"},
    "no_repeat_ngram": set[str](),
}


class Reading:
    """The lines of one server-sent reply. Where the upstream counts no tokens, its pieces are counted."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._pieces = 0
        self._usage: dict[str, Any] = {}

    def feed(self, line: str) -> str:
        """The text of a line, often empty. Raises Again for an event that tells of a failure, or is none."""
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            return ""
        try:
            event = json.loads(data)
            if "error" in event:
                raise Again("it failed in the middle of a reply")
            self._usage = event.get("usage") or self._usage
            choice = (event.get("choices") or [{}])[0]
            self._reason = choice.get("finish_reason") or self._reason
            text = (choice.get("delta") or {}).get("content") or ""
        except (ValueError, AttributeError, TypeError, KeyError):
            raise Again("it sent what is no chat completion") from None
        self._pieces += bool(text)
        return str(text)

    def finished(self) -> Finished:
        reasons: dict[str, FinishReason] = {"stop": "stop", "length": "length"}
        if self._reason not in reasons:
            raise Again("it ended in the middle of a reply" if self._reason is None else f"it ended with {self._reason[:40]}")
        prompt, completion = self._usage.get("prompt_tokens", 0), self._usage.get("completion_tokens", self._pieces)
        return Finished(reasons[self._reason], int(prompt), int(completion))


def pause(attempt: int, asked_s: float | None) -> float:
    """What the upstream asked for; else twice as long each time, shortened by chance so that many do not come at once."""
    if asked_s is not None:
        return min(asked_s, LONGEST_PAUSE_S)
    longest: float = min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S)
    return longest * random.uniform(0.5, 1.0)


def seconds_of(header: str | None) -> float | None:
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None


def code_of(body: bytes) -> str:
    """OpenAI's machine-readable code, or nothing."""
    try:
        found = json.loads(body)["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return ""
    return str(found)[:60] if found else ""
