"""Attributing: pieces of a reply that cites nothing in; the same with the numbers of passages in sentences that they support out.

Nothing is taken back, so a full stop waits until what follows it shows that it ends a sentence. From the first citation of the
model's own on it is left to cite by itself. Which passage supports a sentence is decided in `support`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from heedful.knowledge.citing import CITATION

END = re.compile(r"[.!?]+[\"”’)]*|\n")
UNDECIDED = re.compile(r"\s*(?:\[[\d,;\s]{0,24})?")  # behind an end: nothing yet, or what may become a citation
OWN = re.compile(rf"\s*{CITATION.pattern}")
NEXT = re.compile(r"\s*\n|\s+[^a-z\s]")  # what follows a sentence
SHORTENED = re.compile(r"(?:\.\w|\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|cf|approx))\Z")  # what a full stop belongs to: e.g, Dr

Attribute = Callable[[str], int | None]  # a sentence; the number of the passage that supports it, or none


@dataclass(slots=True)
class Attributions:
    """`feed` piece by piece, then `finish`. `numbers` are those that were put in."""

    attribute: Attribute
    numbers: set[int] = field(default_factory=set)
    _own: bool = False  # the model cites by itself
    _sentence: str = ""  # as much of the running one as was let out
    _held: str = ""

    def feed(self, piece: str) -> str:
        return self._read(self._held + piece, last=False)

    def finish(self) -> str:
        return self._read(self._held, last=True) + self._close("", own=False)

    def _read(self, text: str, last: bool) -> str:
        out = ""
        while (end := END.search(text)) is not None:
            behind = text[end.end() :]
            line = end.group() == "\n"
            if not line and not last and UNDECIDED.fullmatch(behind):
                break
            own = OWN.match(behind)
            if line or own is not None or not behind.strip() or self._ends(text[: end.start()], behind):
                out += self._close(text[: end.start()], own is not None) + end.group() + ("" if own is None else own.group())
                text = behind if own is None else behind[own.end() :]
            else:
                out += self._let_out(text[: end.end()])
                text = behind
        self._held = "" if end is None else text[end.start() :]
        return out + self._let_out(text if end is None else text[: end.start()])

    def _ends(self, text: str, behind: str) -> bool:
        return NEXT.match(behind) is not None and SHORTENED.search(self._sentence + text) is None

    def _let_out(self, text: str) -> str:
        self._sentence += text
        return text

    def _close(self, text: str, own: bool) -> str:
        """The rest of a sentence, with its number."""
        sentence, self._sentence = f"{self._sentence}{text}".strip(), ""
        self._own = self._own or own or CITATION.search(sentence) is not None
        number = None if self._own or not sentence else self.attribute(sentence)
        if number is None:
            return text
        self.numbers.add(number)
        return f"{text} [{number}]"
