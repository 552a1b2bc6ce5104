"""Pool: a function and batches in, its results in their order out, from as many processes as are asked for.

Results do not depend on the number of processes. Only a few batches are on their way at a time, so memory stays flat.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

WORTH_IT = 3_000  # conversations; below, starting processes takes longer than the work
AHEAD = 2  # batches a process that wait for it
MOST = 8


def ordered_map(function: Callable[[In], Out], values: Iterable[In], workers: int) -> Iterator[Out]:
    """Like `map`. `function` is a module's function or a partial of one; with one worker it runs right here."""
    if workers <= 1:
        yield from map(function, values)
        return
    # Fresh processes: a fork would copy open database connections and the locks of other threads.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[Out]] = deque()
        for value in values:
            waiting.append(pool.submit(function, value))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def choose_workers(wanted: int | None, conversations: int) -> int:
    """What the settings say, else one for each core this process may use, when there is enough to do."""
    if wanted is not None:
        return wanted
    return min(available_cores(), MOST) if conversations >= WORTH_IT else 1


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
