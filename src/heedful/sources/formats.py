"""A path in; its format, by content, out. Then its rows.

To add a format, write one file with two functions and add one line to FORMATS:
- `recognise(head, columns)` looks at the first part of the file and returns where the texts lie, or None when the file is
  another format. It raises SourceError when the file is of this format, but broken as a whole.
- `read(source)` yields SourceRow and BadRow values, row by row.
The first format that recognises a file gets it, so the narrow ones stand before the wide ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from heedful.errors import Place, SourceError
from heedful.sources import chat, intents, jsonl, table
from heedful.sources.encoding import Head, inspect
from heedful.sources.rows import BadRow, Columns, Source, SourceRow


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write conversations. `shape` is shown to people; `has_columns`: question and answer columns can be named."""

    name: str
    shape: str
    has_columns: bool
    recognise: Callable[[Head, Columns], dict[str, str] | None]
    read: Callable[[Source], Iterator[SourceRow | BadRow]]


FORMATS = (
    Format("intents", 'JSON {"intents": [{"tag", "patterns", "responses"}]}', False, intents.recognise, intents.read),
    Format("chat", 'JSON Lines {"messages": [{"role", "content"}]}', False, chat.recognise, chat.read),
    Format("jsonl", 'JSON Lines {"question", "answer"}', True, jsonl.recognise, jsonl.read),
    Format("csv", "CSV with a question and an answer column", True, table.recognise, table.read),
)
KNOWN = "; ".join(f"{known.name}: {known.shape}" for known in FORMATS)


def detect(path: Path, columns: Columns | None = None) -> Source:
    """The format of a file, found from its content.

    Raises SourceError, before any row is read, for what no format can be read from: a missing, empty or binary file, a broken
    intents file, a table without question or answer column, unknown content.
    """
    head = inspect(path)
    wanted = Columns() if columns is None else columns
    for known in FORMATS:
        mapping = known.recognise(head, wanted)
        if mapping is None:
            continue
        if wanted.named and not known.has_columns:
            raise SourceError(
                f"is {known.name}, which has no columns to name", Place(path), "leave out --question-column and --answer-column"
            )
        return Source(path, known.name, mapping, head.encoding)
    raise SourceError(
        f"is no known format; known are {KNOWN}", Place(path), "heedful import --help shows what each format looks like"
    )


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    """Every row of the file in its order; `source.counts` starts from nothing and is complete at the end."""
    source.counts.repaired = 0
    source.counts.passed_over.clear()
    return next(known for known in FORMATS if known.name == source.format).read(source)
