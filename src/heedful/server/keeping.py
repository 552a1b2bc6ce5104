"""Keeping: work for the store in; done in one thread, in the order in which it came, out.

A reply never waits for the store. What is asked of the store afterwards does, so whoever has read a reply can speak of it at once.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy.orm import Session

from heedful.errors import HeedfulError, StatementRefused
from heedful.server.errors import ApiError
from heedful.store.database import Store

T = TypeVar("T")
LOG = logging.getLogger("heedful.server")
# HTTP status by the field that was refused; 400 for the others.
STATUS = {"conversation": 404, "run": 404, "person": 409, "corrected": 409, "state": 409}


class Keeper:
    """Leaving the block waits for what was begun."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.shutdown(wait=True)

    async def write(self, work: Callable[[Session], T]) -> T:
        """One transaction. Raises ApiError for what the store refuses, as `read` does."""
        return await asyncio.wrap_future(self._thread.submit(self._write, work))

    async def read(self, work: Callable[[Session], T]) -> T:
        return await asyncio.wrap_future(self._thread.submit(self._read, work))

    def later(self, work: Callable[[Session], object]) -> None:
        """The same as `write`, without waiting. A failure is logged: nobody else would hear of it."""
        self._thread.submit(self._write, work).add_done_callback(log_failure)

    def _write(self, work: Callable[[Session], T]) -> T:
        with as_answers(), self._store.session() as session:
            return work(session)

    def _read(self, work: Callable[[Session], T]) -> T:
        with as_answers(), self._store.snapshot() as session:
            return work(session)


@contextmanager
def as_answers() -> Iterator[None]:
    """What the store refuses becomes an ApiError."""
    try:
        yield
    except StatementRefused as refused:
        raise ApiError(STATUS.get(refused.param, 400), f"{refused.text}.", code="refused", param=refused.param) from None


def log_failure(done: Future[object]) -> None:
    error = done.exception()
    if error is not None:
        LOG.error("a turn was not kept: %s", error.text if isinstance(error, HeedfulError) else type(error).__name__)
