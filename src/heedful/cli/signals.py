"""A `with` block in which a signal does something else; behind it, what it did before, for tests call verbs in one process."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def handled(handler: Callable[[int, object], object], *numbers: signal.Signals) -> Iterator[None]:
    """Only the main thread may say so; it is the one that runs a verb."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
