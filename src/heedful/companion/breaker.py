"""Breaker: how an upstream answered, in; whether it may be asked now, out. A broken one costs its time budget only now and then."""

import time
from collections.abc import Callable


class Breaker:
    """After `failures` in a row it is open for `pause_s`; then one request is let through, and its end decides.

    Used in one event loop. (The pattern: Nygard, Release It!, 2007.)
    """

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._pause_s, self._clock = failures, pause_s, clock
        self._failed = 0
        self._shut_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._failed >= self._most and self._clock() < self._shut_until

    def admit(self) -> bool:
        """Whether to ask now. Once the pause is over, only the first who asks is let through until that one has ended."""
        if self.is_open:
            return False
        if self._failed >= self._most:
            self._shut_until = self._clock() + self._pause_s
        return True

    def note(self, answered: bool) -> None:
        self._failed = 0 if answered else self._failed + 1
        if self._failed >= self._most:
            self._shut_until = self._clock() + self._pause_s
