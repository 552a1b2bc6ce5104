"""The values that leave this room: a detected source, its rows, its bad rows, and what reading changed or passed over."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from heedful.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that hold question and answer, as the caller knows them. None: found by name."""

    question: str | None = None
    answer: str | None = None

    @property
    def named(self) -> bool:
        return self.question is not None or self.answer is not None


@dataclass(slots=True)
class Counts:
    """What the last pass over a source did beside its rows. Complete when the pass has ended.

    `repaired`: texts whose broken encoding was mended. `passed_over`: by reason, what holds no conversation and is no mistake.
    """

    repaired: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Source:
    """A file whose format is known. `mapping` says where the texts lie, for instance {"question": "Context"}.

    `encoding` is `utf-8-sig` for all UTF-8 files, with or without a byte-order mark; single bytes that are not UTF-8 are then
    read as Windows-1252.
    """

    path: Path
    format: str
    mapping: dict[str, str]
    encoding: str = "utf-8-sig"
    counts: Counts = field(default_factory=Counts, compare=False)

    @property
    def repaired(self) -> int:
        return self.counts.repaired


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One conversation and where it lies.

    `number` counts from 1: the line of a JSONL file, the line on which a CSV record starts (as an editor shows it, header
    included), the position of an intent in its list. `person` is the key under which the team knows the speaker.
    """

    number: int
    conversation: Conversation
    person: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why. The reason quotes names of columns and roles, never what a person wrote."""

    number: int
    reason: str


class RowError(Exception):
    """Inside this room only: the row at hand cannot be used. It becomes a BadRow and is never seen outside."""
