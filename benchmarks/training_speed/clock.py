"""Clock: ends of steps in; tokens a second, without the first step, out."""

import time
from collections.abc import Sequence
from typing import Any


class Clock:
    """Stands where Heedful's watch stands, and in the Trainer's callback: notes when a step ended, scores nothing."""

    def __init__(self, tokens: Sequence[float]) -> None:
        self.tokens = tokens
        self.ends: list[float] = []

    point = None  # no earlier training is taken up

    def begin(self) -> None: ...

    def secure(self, store: object) -> None: ...

    def after_step(self, step: int, loss: float, rate: float, gradient: float | None = None) -> bool:
        self.ends.append(time.perf_counter())
        return False

    def tokens_per_s(self) -> float:
        return sum(self.tokens[1:]) / (self.ends[-1] - self.ends[0])


def callback(clock: Clock) -> Any:
    from transformers import TrainerCallback

    class Timing(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.after_step(state.global_step, 0.0, 0.0)

    return Timing()
