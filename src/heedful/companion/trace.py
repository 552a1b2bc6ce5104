"""Trace: a turn in; what happened in it, stage by stage, without a word that was said, out. Kept for counting (`Record`)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from heedful.companion.guarding import GuardTrace
from heedful.companion.routing import Route
from heedful.config import Mode
from heedful.conversation import FinishReason

Stage = Literal["guard_in", "terms", "route", "retrieve", "generate", "guard_out"]
Served = Literal["guard", "local", "upstream"]
Ended = Literal["done", "closed", "failed"]  # whole; the listener left, or had enough; an engine failed


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each stage; `first`: until the person could read something. In a batch, `generate` is of the whole batch."""

    guard_in: float = 0.0
    terms: float = 0.0
    route: float = 0.0
    retrieve: float = 0.0
    generate: float = 0.0
    guard_out: float = 0.0
    first: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One turn. `turn` is its id, which feedback may name; empty where nobody gave one.

    model: the version that wrote the reply, or would have. prompt: the system prompt, as NAME@VERSION; empty: it has no name.
    served: who wrote what the person read; why: in a word, why it was they. route: None where nothing was to be routed. variant:
    the arm of an experiment. sources: ids of what was retrieved. attributed: numbers of those that were put into a reply which
    cited nothing. cost: of the upstream, in the team's money.
    """

    turn: str = field(default="", compare=False)
    model: str = ""
    prompt: str = ""
    variant: str = ""
    mode: Mode = "local"
    served: Served = "local"
    why: str = ""
    route: Route | None = None
    ended: Ended = "done"
    sources: tuple[str, ...] = ()
    attributed: tuple[int, ...] = ()
    guard: GuardTrace = field(default_factory=GuardTrace)
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dropped_messages: int = 0
    cost: float = 0.0
    seconds: Times = field(default_factory=Times, compare=False)


# Keeps the trace of a turn; the second argument says whose turn it was, as `subject` of the turn, and may be empty. It is called
# once a turn, in the loop that serves everybody: it must not wait, and must not raise.
Record = Callable[[Trace, str], None]


class Account:
    """The trace of a running turn, and its clock."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._spent: dict[str, float] = {}
        self._began = self._lapped = time.perf_counter()

    def lap(self, stage: Stage) -> None:
        """What passed since the last lap was spent on this stage."""
        now = time.perf_counter()
        self._spent[stage] = self._spent.get(stage, 0.0) + now - self._lapped
        self._lapped = now

    def shown(self) -> None:
        """Text goes out; only the first time counts."""
        if "first" not in self._spent:
            self._spent["first"] = time.perf_counter() - self._began

    def close(self, ended: Ended) -> Trace:
        seconds = Times(**self._spent, total=time.perf_counter() - self._began)
        self.trace = replace(self.trace, ended=ended, seconds=seconds)
        return self.trace
