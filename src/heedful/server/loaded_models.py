"""Loaded models: ids in; companions with a loaded engine out, each loaded once however many ask for it at the same time.

One is loaded after the other, for two at once would need the memory of both beside what serves. What is let go is not closed: the
replies under way hold it, and it is freed when the last of them has ended.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from weakref import WeakSet

from heedful.companion.turn import Companion
from heedful.engines.base import Engine
from heedful.errors import HeedfulError

LOG = logging.getLogger("heedful.server")
MOST = 3  # champion, previous and base
AGAIN_S = 60.0  # a model that could not be prepared is tried again after so long


class LoadedModels:
    """`load` may block, and raises HeedfulError. Everything else happens in one event loop."""

    def __init__(self, load: Callable[[str], Companion]) -> None:
        self._load = load
        self._companions: OrderedDict[str, Companion] = OrderedDict()  # what was asked last is last
        self._loading: dict[str, asyncio.Task[Companion]] = {}
        self._failed: dict[str, float] = {}
        self._one_at_a_time = asyncio.Lock()
        self._alive: WeakSet[Engine] = WeakSet()
        self._closing: set[asyncio.Task[None]] = set()

    def __contains__(self, model: str | None) -> bool:
        return model in self._companions

    def engines(self) -> list[Engine]:
        """Of every model that takes memory: those that were let go and still answer somebody as well."""
        return list(self._alive)

    async def get(self, model: str) -> Companion:
        """Whoever asks and leaves does not stop the loading, which others may wait for."""
        if model not in self._companions:
            return await asyncio.shield(self._begin(model))
        self._companions.move_to_end(model)
        return self._companions[model]

    def prepare(self, model: str) -> None:
        """Begin to load it, unless that is under way or failed just now."""
        if model not in self._companions and time.monotonic() >= self._failed.get(model, 0.0):
            self._begin(model)

    def let_go(self, model: str | None) -> None:
        if model is not None:
            self._companions.pop(model, None)

    def keep(self, *models: str | None) -> None:
        """Let go of what was not asked for longest until MOST are left, but never of `models`."""
        for other in [loaded for loaded in self._companions if loaded not in models][: max(0, len(self._companions) - MOST)]:
            self.let_go(other)

    def end(self, model: str) -> None:
        """Let go of it, and end the replies that it is writing."""
        self.let_go(model)
        for engine in [engine for engine in self._alive if engine.model == model]:
            self._alive.discard(engine)
            closing = asyncio.ensure_future(engine.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        for model in {engine.model for engine in self._alive}:
            self.end(model)
        await asyncio.gather(*self._closing)

    def _begin(self, model: str) -> "asyncio.Task[Companion]":
        if model not in self._loading:
            task = self._loading[model] = asyncio.create_task(self._load_in_turn(model))
            task.add_done_callback(partial(self._note_end, model))
        return self._loading[model]

    async def _load_in_turn(self, model: str) -> Companion:
        async with self._one_at_a_time:
            began = time.monotonic()
            companion = await asyncio.to_thread(self._load, model)
        LOG.info("%s is loaded, in %.1f s", model, time.monotonic() - began)
        self._companions[model] = companion
        self._alive.add(companion.engine)
        self._failed.pop(model, None)
        return companion

    def _note_end(self, model: str, task: "asyncio.Task[Companion]") -> None:
        self._loading.pop(model, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed[model] = time.monotonic() + AGAIN_S
            reason = error.text if isinstance(error, HeedfulError) else type(error).__name__
            LOG.error("%s cannot be loaded: %s; tried again in %.0f s", model, reason, AGAIN_S)
