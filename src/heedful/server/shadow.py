"""Shadow: turns that the champion has answered in; what the challenger would have said, sealed beside it for clinicians, out.

Nobody waits for it. It begins when no reply is being written, a turn that comes in stops it, and it is begun again later. One pair
a person is kept, of persons who agreed that chats are kept and that people of the team read them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from heedful.companion.turn import After, Companion, Reply, reply
from heedful.conversation import Message
from heedful.errors import HeedfulError
from heedful.lifecycle.experiments.pairs import Pair, keep_pair, may_be_compared
from heedful.store.database import Store
from heedful.store.schema_experiments import Experiment

LOG = logging.getLogger("heedful.experiments")
MOST_WAITING = 200  # turns; the oldest give way
TRIES = 5
QUIET_S = 0.5  # no reply was being written for so long


@dataclass(frozen=True, slots=True)
class Waiting:
    """A turn that the champion answered with `answer`."""

    experiment: Experiment
    person: str
    messages: tuple[Message, ...]
    answer: str
    tries: int = 0


class Shadow:
    """`load` gives the companion of a version; `busy` says whether any reply is being written."""

    def __init__(self, store: Store, load: Callable[[str], Awaitable[Companion]], busy: Callable[[], Awaitable[bool]]) -> None:
        self._store, self._load, self._busy = store, load, busy
        self._waiting: deque[Waiting] = deque(maxlen=MOST_WAITING)
        self._answering: asyncio.Task[Reply] | None = None

    def after(self, experiment: Experiment) -> After:
        """What the champion's companion tells of its turns. What the guard, another model or an upstream wrote is passed over."""

        def offer(messages: Sequence[Message], answered: Reply, subject: str) -> None:
            if subject and answered.trace.served == "local" and answered.trace.model == experiment.champion:
                self._waiting.append(Waiting(experiment, subject, tuple(messages), answered.text))

        return offer

    def give_way(self) -> None:
        """A person asks: what is being answered unseen is stopped, and taken up again later."""
        if self._answering is not None:
            self._answering.cancel()

    async def run(self) -> None:
        """Until it is cancelled. One turn after the other."""
        while True:
            await self._quiet()
            waiting = self._waiting.popleft()
            try:
                await self._compare(waiting)
            except HeedfulError as error:
                LOG.warning("a turn was not compared: %s", error.text)

    async def _quiet(self) -> None:
        """Until there is a turn to compare, and nobody was being answered for a while."""
        while True:
            await asyncio.sleep(QUIET_S)
            if self._waiting and not await self._busy():
                await asyncio.sleep(QUIET_S)
                if not await self._busy():
                    return

    async def _compare(self, waiting: Waiting) -> None:
        if not await asyncio.to_thread(may_be_compared, self._store, waiting.experiment, waiting.person):
            return
        challenger = await self._load(waiting.experiment.challenger)
        guards = replace(challenger.guards, hand_over=None)  # the champion's turn has told the team
        unseen = replace(challenger, guards=guards, record=None, hybrid=None, routing=None, after=None)
        self._answering = asyncio.create_task(reply(unseen, waiting.messages))
        try:
            await asyncio.wait({self._answering})
        finally:
            self._answering.cancel()
        done, self._answering = self._answering, None
        if done.cancelled():
            if waiting.tries < TRIES:
                self._waiting.append(replace(waiting, tries=waiting.tries + 1))
            return
        pair = Pair(waiting.messages, waiting.answer, done.result().text)
        await asyncio.to_thread(keep_pair, self._store, waiting.experiment, waiting.person, pair)
