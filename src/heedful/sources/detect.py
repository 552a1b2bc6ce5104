"""A part in; a Source, whose container and shape were found from the content, out. Then its rows.

A container (`containers/`) gives records: fields with names. A shape (`shapes/`) says how conversations are written in records.
Each is one file and one line of a table here, so a new container can hold every shape, and a new shape can lie in every container:
- a container has `candidates(head, hints)`, which yields Records when the file may be such a file;
- a shape has `SIDES`, the columns that a caller can name, `recognise(records, hints)`, which returns where the texts lie, or None,
  and `read(source)`, which yields SourceRow and BadRow values, row by row.
Both raise SourceError for what is theirs, but broken as a whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from heedful.errors import Place, SourceError
from heedful.sources.containers import csv_table, json_file, parquet, transcript
from heedful.sources.encoding import Head, inspect
from heedful.sources.parts import Part
from heedful.sources.refusals import UnknownFormat
from heedful.sources.rows import BadRow, Hints, Records, Source, SourceRow
from heedful.sources.shapes import chat, intents, pairs, turns


@dataclass(frozen=True, slots=True)
class Format:
    """One shape of conversations. `looks` is shown to people; a `narrow` one is taken at sight, wide ones must not compete."""

    name: str
    looks: str
    narrow: bool
    sides: tuple[str, ...]
    recognise: Callable[[Records, Hints], dict[str, str] | None]
    read: Callable[[Source], Iterator[SourceRow | BadRow]]


FORMATS = (
    Format("intents", '{"tag", "patterns", "responses"}', True, intents.SIDES, intents.recognise, intents.read),
    Format("chat", '{"messages": [{"role", "content"}]}, or a transcript', True, chat.SIDES, chat.recognise, chat.read),
    Format("turns", "columns conversation, speaker and text", False, turns.SIDES, turns.recognise, turns.read),
    Format("pairs", "columns question and answer", False, pairs.SIDES, pairs.recognise, pairs.read),
)
Candidates = Callable[[Head, Hints], Iterator[Records]]
CONTAINERS: tuple[Candidates, ...] = (
    json_file.candidates,
    csv_table.candidates,
    transcript.candidates,
)
FORMAT_NAMES = tuple(known.name for known in FORMATS)
COLUMN_SIDES = tuple(dict.fromkeys(side for known in FORMATS for side in known.sides))
KNOWN = "; ".join(f"{known.name}: {known.looks}" for known in FORMATS)
HELP = "heedful import --help shows what each format looks like"


def detect(part: Part, hints: Hints) -> Source:
    """Raises SourceError, before any row is read, for what no format can be read from; UnknownFormat when it looks like none."""
    if part.starts_with(parquet.MAGIC):
        return in_shape(parquet.table(part), hints)
    head = inspect(part)
    refusals = []
    for candidates in CONTAINERS:
        found = try_container(candidates, head, hints)
        if isinstance(found, Source):
            return found
        if found is not None:
            refusals.append(found)
    if refusals:
        raise refusals[-1]  # the later containers are the narrower ones
    raise UnknownFormat(f"is no known format; known are {KNOWN}", Place(part.path), HELP)


def try_container(candidates: Candidates, head: Head, hints: Hints) -> Source | SourceError | None:
    """The source that a container makes of a file; or why it is one of that container, but no good; or None."""
    refusal: SourceError | None = None
    try:
        for records in candidates(head, hints):
            try:
                return in_shape(records, hints)
            except SourceError as error:
                if records.sure and refusal is None:
                    refusal = error
    except SourceError as error:
        return error if refusal is None else refusal
    return refusal


def in_shape(records: Records, hints: Hints) -> Source:
    """Raises SourceError when no shape, or more than one, is found in the records."""
    if not records.sample:
        raise UnknownFormat("holds no record", Place(records.path), HELP)
    found: list[tuple[Format, dict[str, str]]] = []
    refusal: SourceError | None = None
    for known in FORMATS:
        if hints.format not in (None, known.name):
            continue
        try:
            mapping = known.recognise(records, hints)
        except SourceError as error:
            if known.narrow:
                raise
            refusal = error if refusal is None else refusal
            continue
        if mapping is not None:
            found.append((known, mapping))
            if known.narrow:
                break
    return Source(records, *the_one(found, records, hints, refusal), hints)


def the_one(
    found: list[tuple[Format, dict[str, str]]], records: Records, hints: Hints, refusal: SourceError | None
) -> tuple[str, dict[str, str]]:
    names = [known.name for known, _ in found]
    if len(found) > 1:
        either = " or --format ".join(names)
        raise SourceError(f"can be read as {' or as '.join(names)}", Place(records.path), f"say which: --format {either}")
    if not found and refusal is not None:
        raise refusal
    if not found:
        raise SourceError(f"is not in the format {hints.format}", Place(records.path), HELP)
    known, mapping = found[0]
    foreign = sorted(hints.columns.keys() - set(known.sides))
    if foreign:
        allowed = f"it takes {', '.join(known.sides)}" if known.sides else "it takes none"
        raise SourceError(
            f"is {known.name}, which has no column {foreign[0]!r} to name; {allowed}",
            Place(records.path),
            "mend or leave out --column",
        )
    return known.name, mapping


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    """Every row in order; `source.counts` starts from what the encoding needed and is complete at the end."""
    source.counts.repaired = 0
    source.counts.passed_over.clear()
    source.counts.noted.clear()
    source.counts.noted.update(source.records.noted)
    rows = next(known for known in FORMATS if known.name == source.format).read(source)
    return rows if source.hints.person is None else (owned(row, source.hints.person) for row in rows)


def owned(row: SourceRow | BadRow, person: str) -> SourceRow | BadRow:
    """A row that names nobody belongs to the person that the caller named."""
    return replace(row, person=person) if isinstance(row, SourceRow) and row.person is None else row
