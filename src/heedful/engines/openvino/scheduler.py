"""Replies that were asked for in; their tokens out, a token of each running reply in every pass (continuous batching).

A pass takes at most PASS_TOKENS: first one of each reply that is being written, then as much of new prompts as fits, so that a long
prompt does not stop the others. When the cache has no room for the next token, the reply that began last gives its blocks up and is
computed again later; it has lost no token. Everything here runs in one thread.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heedful.engines.base import Sampling
from heedful.engines.openvino.blocks import BlockPool, Chain
from heedful.engines.openvino.choice import TokenChoice
from heedful.engines.openvino.network import PagedNetwork, Part

if TYPE_CHECKING:
    import numpy as np

PASS_TOKENS = 512
RUNNING = 32  # replies that are written at the same time; more wait

Say = Callable[[int | BaseException | None], None]  # a token; a failure, or None: there are no more


@dataclass(eq=False, slots=True)
class Asked:
    """One reply. `ends` are the ids that end it; `limit` is the most tokens it may have. `say` hears of each token."""

    prompt: tuple[int, ...]
    limit: int
    ends: frozenset[int]
    choice: TokenChoice
    say: Say
    ids: list[int] = field(default_factory=list)  # prompt and reply so far
    chain: Chain = field(default_factory=Chain)
    cancelled: bool = False

    @property
    def new(self) -> int:
        """Tokens that are not in the cache yet."""
        return len(self.ids) - self.chain.computed


def ask(prompt: Sequence[int], sampling: Sampling, ends: Sequence[int], say: Say) -> Asked:
    return Asked(tuple(prompt), sampling.max_new_tokens, frozenset(ends), TokenChoice(sampling, prompt), say, list(prompt))


def ask_whole(prompt: Sequence[int], sampling: Sampling, ends: Sequence[int]) -> "tuple[Asked, Future[list[int]]]":
    """A reply that nobody reads before it has ended, and its tokens, to be waited for."""
    tokens: list[int] = []
    whole: Future[list[int]] = Future()
    whole.set_running_or_notify_cancel()  # whoever waits may leave; what is written for them then is thrown away

    def say(event: int | BaseException | None) -> None:
        if event is None:
            whole.set_result(tokens)
        elif isinstance(event, BaseException):
            whole.set_exception(event)
        else:
            tokens.append(event)

    return ask(prompt, sampling, ends, say), whole


class Scheduler:
    """The network's cache must hold the longest text that is ever asked for."""

    def __init__(self, network: PagedNetwork) -> None:
        self._network = network
        self._pool = BlockPool(network.blocks)
        self.waiting: deque[Asked] = deque()
        self.running: list[Asked] = []

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.running

    def add(self, asked: Asked) -> None:
        self.waiting.append(asked)

    def step(self) -> None:
        """One pass. Nothing when there is nothing to do."""
        self._drop_cancelled()
        self._admit()
        turns = self._plan()
        if not turns:
            return
        scores = self._network.forward([part for _, part in turns])
        for (asked, part), row in zip(turns, scores, strict=True):
            asked.chain.computed += len(part.ids)
            self._pool.keep(asked.chain, asked.ids)
            if asked.new == 0:
                self._write(asked, row)

    def fail(self, error: BaseException) -> None:
        """Tell everybody, and forget them."""
        for asked in [*self.running, *self.waiting]:
            self._pool.release(asked.chain)
            asked.say(error)
        self.running.clear()
        self.waiting.clear()

    def _drop_cancelled(self) -> None:
        for asked in [asked for asked in self.running if asked.cancelled]:
            self._leave(asked)
        if any(asked.cancelled for asked in self.waiting):
            self.waiting = deque(asked for asked in self.waiting if not asked.cancelled)

    def _admit(self) -> None:
        """Whoever waits longest is next; nobody overtakes."""
        while self.waiting and len(self.running) < RUNNING:
            asked = self.waiting[0]
            asked.chain = self._pool.begin(asked.ids)
            if not self._pool.extend(asked.chain, len(asked.ids) + 1):
                self._pool.release(asked.chain)
                return
            self.running.append(self.waiting.popleft())

    def _plan(self) -> list[tuple[Asked, Part]]:
        self._make_room()
        turns, left = [], PASS_TOKENS
        for asked in sorted(self.running, key=lambda asked: asked.new > 1):  # stable: who is being written first, then by age
            if left == 0:
                break
            self._look_again(asked)
            taken = min(asked.new, left)
            past = asked.chain.computed
            turns.append((asked, Part(asked.ids[past : past + taken], past, asked.chain.blocks)))
            left -= taken
        return turns

    def _look_again(self, asked: Asked) -> None:
        """Of those who were admitted together, the first computes what they all begin with, and the others find it."""
        if asked.chain.computed == 0:
            self._pool.release(asked.chain)
            asked.chain = self._pool.begin(asked.ids)
            found = self._pool.extend(asked.chain, len(asked.ids) + 1)
            assert found, "it had as many blocks a moment ago"

    def _make_room(self) -> None:
        for asked in list(self.running):
            while asked in self.running and not self._pool.extend(asked.chain, len(asked.ids)):
                last = self.running.pop()
                self._pool.release(last.chain)
                self.waiting.appendleft(last)

    def _write(self, asked: Asked, scores: "np.ndarray[Any, Any]") -> None:
        token = asked.choice.next(scores)
        asked.ids.append(token)
        asked.say(token)
        if token in asked.ends or len(asked.ids) - len(asked.prompt) >= asked.limit:
            self._leave(asked)
            asked.say(None)

    def _leave(self, asked: Asked) -> None:
        self.running.remove(asked)
        self._pool.release(asked.chain)
