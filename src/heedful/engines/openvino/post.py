"""Post: what replies hear during one pass in; one wake-up of each event loop that listens, out.

A wake-up a token would make the loop and the network's thread take the interpreter from each other for every reply of the pass.
"""

import asyncio
from contextlib import suppress

Event = int | BaseException | None  # a token; a failure, or None: there are no more
Events = asyncio.Queue[Event]


class Post:
    """Used in one thread, the worker's. Queues are filled in their own loop."""

    def __init__(self) -> None:
        self._letters: dict[asyncio.AbstractEventLoop, list[tuple[Events, Event]]] = {}

    def add(self, loop: asyncio.AbstractEventLoop, events: Events, event: Event) -> None:
        self._letters.setdefault(loop, []).append((events, event))

    def send(self) -> None:
        letters, self._letters = self._letters, {}
        for loop, mine in letters.items():
            with suppress(RuntimeError):  # the listeners' event loop is closed: nobody is there to hear it
                loop.call_soon_threadsafe(deliver, mine)


def deliver(letters: list[tuple[Events, Event]]) -> None:
    for events, event in letters:
        events.put_nowait(event)
