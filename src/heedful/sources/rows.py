"""The values of this room: what a caller knows, records as a container gives them, a source, its rows, and what reading changed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from heedful.conversation import Conversation, Role
from heedful.sources.parts import Part

Separator = Literal["blank", "blanks", "header", "none"]
SEPARATORS: tuple[Separator, ...] = get_args(Separator)
Fields = Mapping[str, object]  # one record: columns or keys, and their values


@dataclass(frozen=True, slots=True)
class Hints:
    """What the caller knows about a source. All that is left out is found from the content.

    `columns` says which column is what, for instance {"answer": "Antwort"}; an empty name means that there is no such column.
    `speakers` gives the role of a name, for instance {"Anna": "user"}. In a transcript `no_speakers` begin lines like a speaker,
    but are none, and `separator` stands between two talks. `person` is whose conversations they are where rows do not say.
    """

    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    speakers: Mapping[str, Role] = field(default_factory=dict)
    no_speakers: frozenset[str] = frozenset()
    separator: Separator | None = None
    person: str | None = None


@dataclass(slots=True)
class Counts:
    """What the last pass over a source did beside its rows. Complete when the pass has ended.

    `repaired`: texts whose broken encoding was mended. `passed_over`: by reason, what holds no conversation and is no mistake.
    `noted`: by kind, what was taken, but not as it stood.
    """

    repaired: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why. The reason quotes names of columns and speakers, never what a person wrote."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record and where it lies: `number` counts from 1, as `SourceRow` says."""

    number: int
    fields: Fields


@dataclass(frozen=True, slots=True)
class Records:
    """What a container gives: records under a name, in order, as often as asked.

    `names` are the columns, or the keys of the first records, `sample` those records. `digest` is the SHA-256 of the bytes, or of
    the rows where there are no bytes (no `part`); the latter is known when a pass has ended. `sure` is False of a container that
    other texts resemble: it counts only when a shape is found in it.
    """

    path: Path
    container: str
    names: tuple[str, ...]
    sample: tuple[Fields, ...]
    read: Callable[[], Iterator[Record | BadRow]]
    digest: Callable[[], str]
    encoding: str = "utf-8-sig"
    noted: Mapping[str, int] = field(default_factory=dict)
    part: Part | None = None
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """Records whose format is known. `mapping` says where the texts lie, for instance {"question": "Context"}."""

    records: Records
    format: str
    mapping: Mapping[str, str]
    hints: Hints = field(default_factory=Hints)
    counts: Counts = field(default_factory=Counts, compare=False)

    @property
    def path(self) -> Path:
        return self.records.path

    @property
    def repaired(self) -> int:
        return self.counts.repaired


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One conversation and where it lies.

    `number` counts from 1: the line of a JSON Lines file, the line on which a CSV record or a talk of a transcript starts (as an
    editor shows it, header included), the position in a JSON list, a Parquet table or the rows of a query. Of a conversation that
    is written one turn a row it is the first turn's. `person` is the key under which the team knows the speaker.
    """

    number: int
    conversation: Conversation
    person: str | None = None


class RowError(Exception):
    """Inside this room only: the row at hand cannot be used. It becomes a BadRow and is never seen outside."""
