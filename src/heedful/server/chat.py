"""POST /v1/chat/completions: a checked request and a companion go in; a completion, or its chunks, come out."""

import json
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from heedful.companion.retrieving import Source
from heedful.companion.turn import Companion, CrisisResponse, Reply, stream_reply
from heedful.conversation import FinishReason
from heedful.errors import RegistryError
from heedful.server.access import allow
from heedful.server.body import read_json
from heedful.server.catalog import Catalog
from heedful.server.chat_parameters import CHAT_PARAMETERS
from heedful.server.chat_request import ChatRequest, read_chat_request
from heedful.server.errors import ApiError, failures, request_id_of
from heedful.server.keeping import Keeper
from heedful.server.metrics import Metrics, Turn
from heedful.server.parameters import request_body
from heedful.server.schemas import (
    AssistantMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    Delta,
    SourceEntry,
    Usage,
)
from heedful.server.stop import StopCutter
from heedful.server.streaming import DONE, EventStream, frame, while_connected
from heedful.store import collection as store

Keep = Callable[[str, FinishReason], None]
CLIENT_GONE = 499  # nginx's number for it; nobody is there to read it


@dataclass(frozen=True, slots=True)
class Head:
    """What all parts of one answer share. `created` is in seconds since 1970."""

    id: str
    created: int
    model: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an answer. `usage` is None where nobody asked for it.

    After a stop sequence without usage, the engine was closed before it could say how many messages it dropped.
    """

    reason: FinishReason
    usage: Usage | None
    dropped_messages: int = 0
    sources: tuple[Source, ...] = ()

    def notice(self) -> dict[str, Any]:
        """Fields that tell of messages that the model could not see, and of passages that it was shown, where there are any."""
        dropped = {"dropped_messages": self.dropped_messages} if self.dropped_messages else {}
        return {**dropped, **({"sources": [entry_of(source) for source in self.sources]} if self.sources else {})}


def entry_of(source: Source) -> SourceEntry:
    passage = source.passage
    return SourceEntry(
        number=source.number,
        cited=source.cited,
        attributed=source.attributed,
        document=passage.document,
        title=passage.title,
        section=passage.section,
        page=passage.page,
        text=passage.text,
        score=passage.score,
    )


def chat_router(catalog: Catalog, metrics: Metrics, keeper: Keeper | None) -> APIRouter:
    router = APIRouter(dependencies=[allow()])
    stream_content = {"schema": {"type": "string", "description": "data: ChatCompletionChunk, one an event; then data: [DONE]"}}

    @router.post(
        "/v1/chat/completions",
        response_model=ChatCompletion,
        responses={200: {"content": {"text/event-stream": stream_content}}, **failures(400, 404, 413, 415)},
        openapi_extra=request_body(CHAT_PARAMETERS),
    )
    async def create_chat_completion(request: Request) -> Response:
        """Answer a conversation, whole or (`stream`) piece by piece."""
        asked = read_chat_request(await read_json(request))
        companion = await resolve(catalog, asked.model, asked.subject if asked.keep else "")
        head = Head(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), companion.engine.model)
        turn = metrics.turn(head.model)
        events = kept(speak(companion, asked, head.id, turn, count=asked.counts), keeping(keeper, asked, head))
        if asked.stream:
            return EventStream(chunks(events, asked, head), request_id_of(request))
        completion = await while_connected(request.receive, complete(events, head))
        if completion is None:
            return Response(status_code=CLIENT_GONE)
        return JSONResponse(completion.model_dump(exclude_unset=True))

    return router


async def resolve(catalog: Catalog, name: str, subject: str) -> Companion:
    try:
        return await catalog.resolve(name, subject)
    except RegistryError as error:
        raise ApiError(404, error.text, code="model_not_found", param="model") from None


def keeping(keeper: Keeper | None, asked: ChatRequest, head: Head) -> Keep | None:
    """What is to be done with an answer that is whole; None where nobody may keep it."""
    if keeper is None or not asked.keep:
        return None

    def keep(text: str, ending: FinishReason) -> None:
        turn = store.Turn(asked.subject, asked.messages, text, head.id, head.model, ending)
        keeper.later(lambda session: store.keep_turn(session, turn))

    return keep


async def kept(events: AsyncGenerator[str | Ended], keep: Keep | None) -> AsyncGenerator[str | Ended]:
    """The same events. An answer that its reader left is not kept."""
    said: list[str] = []
    async with aclosing(events):
        async for event in events:
            if isinstance(event, str):
                said.append(event)
            elif keep is not None:
                keep("".join(said), event.reason)
            yield event


async def complete(speaking: AsyncGenerator[str | Ended], head: Head) -> ChatCompletion:
    """The whole answer. It runs through the same stream as the chunks, so that both say the same and both can be cancelled."""
    pieces: list[str] = []
    end: Ended | None = None
    async with aclosing(speaking) as events:
        async for event in events:
            if isinstance(event, Ended):
                end = event
            else:
                pieces.append(event)
    assert end is not None and end.usage is not None, "a reply ends with its counts"
    message = AssistantMessage(role="assistant", content="".join(pieces), refusal=None)
    return ChatCompletion(
        id=head.id,
        object="chat.completion",
        created=head.created,
        model=head.model,
        choices=[Choice(index=0, message=message, logprobs=None, finish_reason=end.reason)],
        usage=end.usage,
        **end.notice(),
    )


async def chunks(speaking: AsyncGenerator[str | Ended], asked: ChatRequest, head: Head) -> AsyncGenerator[bytes]:
    """The frames of a streamed answer: role, pieces of text, finish reason, usage if asked for, [DONE]."""
    opened, piece = False, piece_frames(head, asked)
    async with aclosing(speaking) as events:
        async for event in events:
            if not opened:  # only now, so that a prompt that is too long is still answered with status 400
                yield frame(chunk(head, asked, Delta(role="assistant", content="")))
                opened = True
            if isinstance(event, str):
                yield piece(event)
                continue
            yield frame(chunk(head, asked, Delta(), event))
            if asked.include_usage:
                yield frame(chunk_of(head, [], usage=event.usage))
    yield DONE


def piece_frames(head: Head, asked: ChatRequest) -> Callable[[str], bytes]:
    """Frames of pieces of text, made once of the chunk's own form: a model a token would cost more than the piece is."""
    before, _, behind = frame(chunk(head, asked, Delta(content="\0"))).rpartition(b'"\\u0000"')

    def piece(text: str) -> bytes:
        return before + json.dumps(text).encode("ascii") + behind

    return piece


def chunk(head: Head, asked: ChatRequest, delta: Delta, end: Ended | None = None) -> ChatCompletionChunk:
    choice = ChunkChoice(index=0, delta=delta, logprobs=None, finish_reason=None if end is None else end.reason)
    # Where usage was asked for, every chunk has the field, null but in the last one.
    usage = {"usage": None} if asked.include_usage else {}
    return chunk_of(head, [choice], **usage, **({} if end is None else end.notice()))


def chunk_of(head: Head, choices: list[ChunkChoice], **fields: Any) -> ChatCompletionChunk:
    kind: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    return ChatCompletionChunk(id=head.id, object=kind, created=head.created, model=head.model, choices=choices, **fields)


async def speak(companion: Companion, asked: ChatRequest, name: str, turn: Turn, count: bool) -> AsyncGenerator[str | Ended]:
    """Pieces of text up to the first stop sequence, then Ended. No stop sequence cuts the response to a person in danger.

    The engine counts tokens at its end only. So after a stop sequence it is closed at once, unless `count` asks for usage: then
    the rest is generated, thrown away and counted. `name` is the id of the turn.
    """
    cutter = StopCutter(asked.stop)
    replying = stream_reply(companion, asked.messages, asked.over(companion.sampling), asked.subject, name)
    async with aclosing(replying) as events:
        async for event in events:
            if isinstance(event, Reply):
                turn.end(event)
                rest = cutter.flush()
                if rest:
                    yield rest
                reason = "stop" if cutter.hit else event.finish_reason
                yield Ended(reason, usage_of(event) if count else None, event.dropped_messages, event.sources)
                continue  # to the stream's own end: closing it here would look like a cancellation
            turn.piece()
            text = event if isinstance(event, CrisisResponse) else cutter.feed(event)
            if text:
                yield text
            if cutter.hit and not count:
                yield Ended("stop", None)
                return


def usage_of(reply: Reply) -> Usage:
    total = reply.prompt_tokens + reply.completion_tokens
    return Usage(prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens, total_tokens=total)
