"""Server-sent events: an async stream of frames goes in, an HTTP response that follows the client comes out.

The status line waits for the first frame, so that a failure before it is an ordinary HTTP error. A failure after it is sent as
an event. When the client hangs up, the work is cancelled and the stream is closed, which frees the engine's slot.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import TypeVar

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from heedful.server.errors import as_api_error

T = TypeVar("T")
DONE = b"data: [DONE]\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # a buffering proxy would hold the pieces back


def frame(body: BaseModel) -> bytes:
    """One event. ASCII, because some clients split lines at characters that JSON allows inside a text (U+2028, U+0085)."""
    return b"data: " + body.model_dump_json(exclude_unset=True, ensure_ascii=True).encode("ascii") + b"\n\n"


class EventStream(Response):
    """Sends `frames` one by one. A framework's seam, hence the inheritance."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes], request_id: str) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self.frames = frames
        self.request_id = request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_connected(receive, self.send_frames(send))

    async def send_frames(self, send: Send) -> None:
        async with aclosing(self.frames) as frames:
            first = await anext(frames)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send_bytes(send, first)
            try:
                async for more in frames:
                    await send_bytes(send, more)
            except Exception as error:  # the status is out already: only an event can tell it
                await send_bytes(send, frame(as_api_error(error, self.request_id).envelope()))
        await send_bytes(send, b"", more=False)


async def send_bytes(send: Send, body: bytes, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def while_connected(receive: Receive, work: Coroutine[None, None, T]) -> T | None:
    """The result of `work`, or None when the client hung up first; then `work` was cancelled and has ended.

    `work` runs in the task of the request itself, so whoever notices the client gone cancels it at once, and with that same step
    everything is closed and the place at the door is free. The request's body must have been read to its end.
    """
    serving, left = asyncio.current_task(), False
    assert serving is not None, "requests are served in tasks"

    async def watch() -> None:
        nonlocal left
        await hung_up(receive)
        left = True
        serving.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if left and serving.uncancel() == 0:
            return None
        raise  # the server itself ends
    finally:
        watching.cancel()


async def hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
