"""Writing: pieces of what a model writes in; what a person may read out, guarded and with citations of sources that there are."""

from dataclasses import replace

from heedful.companion.retrieving import Retrieved, Source, sources_of
from heedful.conversation import FinishReason
from heedful.guards.reply.guard import Guarded, ReplyGuard
from heedful.guards.reply.screen import Rules
from heedful.knowledge.attributing import Attributions
from heedful.knowledge.citing import Citations
from heedful.knowledge.support import attribute_to


class Citing:
    """Pieces of a guarded reply: numbers of no source are taken out, and those that a model left out are put in where that is set.

    `waits`: a piece may take the milliseconds of an embedding. Where nothing was looked up, numbers in brackets are left alone.
    """

    def __init__(self, retrieved: Retrieved) -> None:
        self._passages = retrieved.passages
        self._citations = Citations(len(retrieved.passages)) if retrieved.looked_up else None
        self._attributions: Attributions | None = None
        if retrieved.support is not None and retrieved.passages:
            self._attributions = Attributions(attribute_to(retrieved.passages, retrieved.support))
        self.waits = self._attributions is not None

    def feed(self, piece: str) -> str:
        text = piece if self._citations is None else self._citations.feed(piece)
        return text if self._attributions is None else self._attributions.feed(text)

    def finish(self) -> str:
        text = "" if self._citations is None else self._citations.finish()
        return text if self._attributions is None else self._attributions.feed(text) + self._attributions.finish()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Known when it is finished."""
        attributed: set[int] = set() if self._attributions is None else self._attributions.numbers
        return () if self._citations is None else sources_of(self._passages, self._citations, attributed)


class Writing:
    """`feed` piece by piece, then `finish`; nothing is taken back."""

    def __init__(self, rules: Rules, retrieved: Retrieved) -> None:
        self._guard, self._citing = ReplyGuard(rules), Citing(retrieved)
        self.waits = self._citing.waits

    def feed(self, piece: str) -> str:
        return self._citing.feed(self._guard.feed(piece))

    def finish(self, reason: FinishReason) -> Guarded:
        rest = self._guard.finish(reason)
        return replace(rest, text=self._citing.feed(rest.text) + self._citing.finish())

    @property
    def sources(self) -> tuple[Source, ...]:
        """Known when it is finished."""
        return self._citing.sources


def cite_whole(guarded: Guarded, retrieved: Retrieved) -> tuple[Guarded, tuple[Source, ...]]:
    """The same of a reply that is guarded already and comes as a whole."""
    citing = Citing(retrieved)
    text = citing.feed(guarded.text) + citing.finish()
    return replace(guarded, text=text), citing.sources
