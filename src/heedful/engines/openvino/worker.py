"""The thread that owns network and scheduler: replies that were asked for in, pass after pass until there is nothing to do.

It knows nothing of the engine that started it, so that an engine nobody holds any more can end it.
"""

import logging
from threading import Condition, Thread

from heedful.engines.base import Health
from heedful.engines.openvino.network import PagedNetwork
from heedful.engines.openvino.post import Post
from heedful.engines.openvino.scheduler import Asked, Scheduler
from heedful.errors import EngineError

LOG = logging.getLogger("heedful.engines")


class Worker:
    """`model` is for messages. Every method may be called from any thread."""

    def __init__(self, model: str, network: PagedNetwork) -> None:
        self._model = model
        self._scheduler = Scheduler(network)
        self.post = Post()  # what is said during a pass goes out behind it
        self._changed = Condition()
        self._arrived: list[Asked] = []
        self._stopping = False
        self._broken = False
        self._thread = Thread(target=self._work, name=f"engine {model}", daemon=True)
        self._thread.start()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def health(self) -> Health:
        with self._changed:
            ready = self._thread.is_alive() and not self._stopping and not self._broken
            return Health(ready, len(self._scheduler.running), len(self._scheduler.waiting) + len(self._arrived))

    def add(self, *asked: Asked) -> None:
        """What is added together begins together. Raises EngineError when it is stopping."""
        with self._changed:
            if self._stopping:
                raise closed(self._model)
            self._arrived += asked
            self._changed.notify()

    def stop(self) -> None:
        """Whoever waits or is being answered hears that the engine is closed, within a pass."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self) -> None:
        self._thread.join()

    # What follows runs in the thread.

    def _work(self) -> None:
        """A pass that fails ends the replies that were asked for until then, and no others."""
        while self._wait_for_work():
            try:
                self._scheduler.step()
                self._broken = False
            except Exception as error:
                LOG.error("engine of %s: a pass failed: %s", self._model, type(error).__name__)
                self._broken = True
                self._scheduler.fail(EngineError(f"the engine of {self._model} failed in the middle of a reply", "try again"))
            self.post.send()
        self._scheduler.fail(closed(self._model))
        self.post.send()

    def _wait_for_work(self) -> bool:
        with self._changed:
            while self._scheduler.idle and not self._arrived and not self._stopping:
                self._changed.wait()
            for asked in self._arrived:
                self._scheduler.add(asked)
            self._arrived.clear()
            return not self._stopping


def closed(model: str) -> EngineError:
    return EngineError(f"the engine of {model} is closed", "load the model again")
