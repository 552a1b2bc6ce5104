"""Retrieving: the seam through which a turn looks something up before the model is asked, and the look-up in the documents."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from heedful.conversation import Message
from heedful.errors import KnowledgeError
from heedful.knowledge.citing import Citations, Count, Sources, quote
from heedful.knowledge.retrieval import FLOOR, Passage, search_chat
from heedful.workspace import Workspace

LOG = logging.getLogger("heedful.knowledge")


@dataclass(frozen=True, slots=True)
class Retrieved:
    """`messages` is the prompt with what was found put in; `passages` what was found, in the order in which it is numbered.

    `support`: the cosine from which a passage supports a sentence of a reply that cites nothing; None leaves such a reply as it is.
    """

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...] = ()
    looked_up: bool = False  # also when nothing was found
    support: float | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Ids, for the trace."""
        return tuple(f"{passage.document_id}#{passage.ordinal}" for passage in self.passages)


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the model was shown, its number, and whether the reply cites it.

    `attributed`: the number was put there afterwards, because the passage supports a sentence of a reply without citations.
    """

    number: int
    passage: Passage
    cited: bool
    attributed: bool = False


# Gets the prompt, the system message first. What raises fails the turn: a look-up that may fail gives the prompt back as it was.
Retrieve = Callable[[Sequence[Message]], Awaitable[Retrieved]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked up: at most `passages`, of these collections or of all, in at most `room` tokens as `count` counts them.

    `support` as in `Retrieved`.
    """

    passages: int = 3
    collections: tuple[str, ...] = ()
    floor: float = FLOOR
    count: Count | None = None
    room: int | None = None
    support: float | None = None


def from_documents(workspace: Workspace, wanted: Wanted) -> Retrieve:
    """A look-up in the knowledge base. One that cannot be read is logged, and the person is answered without it."""

    async def retrieve_(messages: Sequence[Message]) -> Retrieved:
        sources = await asyncio.to_thread(retrieve, workspace, messages, wanted)
        return Retrieved(with_sources(messages, sources), sources.passages, True, wanted.support)

    return retrieve_


def retrieve(workspace: Workspace, messages: Sequence[Message], wanted: Wanted) -> Sources:
    """What a reply to this chat may cite. It may block."""
    try:
        found = search_chat(workspace, messages, wanted.passages, wanted.collections, wanted.floor)
    except KnowledgeError as error:
        LOG.error("nothing was looked up: %s", error.text)
        return Sources()
    sources = quote(found, wanted.count, wanted.room)
    if sources.withheld:
        LOG.warning("%d passages were withheld: they give orders to a model", sources.withheld)
    return sources


def with_sources(messages: Sequence[Message], sources: Sources) -> tuple[Message, ...]:
    """The quotations stand at the end of the system message."""
    if not sources.passages:
        return tuple(messages)
    if messages and messages[0].role == "system":
        return replace(messages[0], content=f"{messages[0].content}\n\n{sources.block}"), *messages[1:]
    return Message("system", sources.block), *messages


def sources_of(passages: Sequence[Passage], citations: Citations, attributed: Collection[int] = ()) -> tuple[Source, ...]:
    """What was shown, with what was cited."""
    if citations.unknown:
        LOG.info("%d citations of what there is not were removed", citations.unknown)
    return tuple(
        Source(number, one, number in citations.numbers or number in attributed, number in attributed)
        for number, one in enumerate(passages, start=1)
    )
