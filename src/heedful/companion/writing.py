"""Writing: pieces of what a model writes in; what a person may read out, guarded and with citations of sources that there are."""

from dataclasses import replace

from heedful.companion.retrieving import Retrieved, Source, sources_of
from heedful.conversation import FinishReason
from heedful.guards.reply.guard import Guarded, ReplyGuard
from heedful.guards.reply.screen import Rules
from heedful.knowledge.citing import Citations


class Writing:
    """`feed` piece by piece, then `finish`; nothing is taken back. Where nothing is looked up, it leaves numbers in brackets."""

    def __init__(self, rules: Rules, retrieved: Retrieved) -> None:
        self._guard, self._retrieved = ReplyGuard(rules), retrieved
        self._citations = Citations(len(retrieved.passages)) if retrieved.looked_up else None

    def feed(self, piece: str) -> str:
        text = self._guard.feed(piece)
        return text if self._citations is None else self._citations.feed(text)

    def finish(self, reason: FinishReason) -> Guarded:
        rest = self._guard.finish(reason)
        if self._citations is None:
            return rest
        return replace(rest, text=self._citations.feed(rest.text) + self._citations.finish())

    @property
    def sources(self) -> tuple[Source, ...]:
        """Known when it is finished."""
        return () if self._citations is None else sources_of(self._retrieved.passages, self._citations)


def cite_whole(guarded: Guarded, retrieved: Retrieved) -> tuple[Guarded, tuple[Source, ...]]:
    """The same of a reply that is guarded already and comes as a whole."""
    if not retrieved.looked_up:
        return guarded, ()
    citations = Citations(len(retrieved.passages))
    text = citations.feed(guarded.text) + citations.finish()
    return replace(guarded, text=text), sources_of(retrieved.passages, citations)
