"""CSV: a table with a row of column names in; a record a row out.

Separated by comma, semicolon, tab or bar, quoted as in RFC 4180. The number of a row is the line on which its record starts,
as an editor shows it: the column names are on line 1, and a quoted text may go over many lines. Blank lines and records of
blank cells, as spreadsheets leave them at the end, are no rows.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from heedful.errors import Place, SourceError
from heedful.sources.columns import ANSWER, QUESTION, fits
from heedful.sources.encoding import MAX_LINE, Head, read_lines, text_records
from heedful.sources.rows import BadRow, Hints, Record, Records

DELIMITERS = (",", ";", "\t", "|")
RECORDS_LOOKED_AT = 20
MEND_QUOTES = "mend the quotes around that row"


def candidates(head: Head, hints: Hints) -> Iterator[Records]:
    """The file as a table with each delimiter. Prose has commas too, so only what looks like a table is one for sure."""
    if head.text.lstrip().startswith(("{", "[")):
        return  # JSON has commas too
    for delimiter in DELIMITERS:
        records = first_records(head, delimiter)
        if records:
            names = names_of(records[0])
            sample = tuple(dict(zip(names, record, strict=False)) for record in records[1:])
            reading = partial(read, head, delimiter, names)
            yield replace(text_records(head, "csv", sample, reading, is_table(records)), names=tuple(names))


def first_records(head: Head, delimiter: str) -> list[list[str]]:
    """Records at the start of the file without the blank ones. One that the end of the head may have cut is left out."""
    if not head.whole and "\n" not in head.text and "\r" not in head.text:
        return []
    allow_long_fields()
    reader = csv.reader(io.StringIO(head.text, newline=""), delimiter=delimiter)
    records = list(islice(filter(holds_text, reader), RECORDS_LOOKED_AT + 1))
    return records if head.whole or len(records) > RECORDS_LOOKED_AT else records[:-1]


def is_table(records: Sequence[Sequence[str]]) -> bool:
    """At least half of the records are as wide as the first, which has several cells, or the name of a known column.

    A header alone is a table, an empty one, when it has such a name.
    """
    names, rows = names_of(records[0]), records[1:]
    if not rows:
        return any(fits(name, QUESTION | ANSWER) for name in names)
    several = len(names) > 1 or fits(names[0], QUESTION | ANSWER)
    prose = any(name.endswith(".") for name in names)
    return several and not prose and sum(len(row) == len(names) for row in rows) * 2 >= len(rows)


def read(head: Head, delimiter: str, names: Sequence[str]) -> Iterator[Record | BadRow]:
    """Raises SourceError at an endless line or quoted text, behind which no rows can be told apart."""
    header_seen = False
    for number, record in read_records(head, delimiter):
        if isinstance(record, str):
            yield BadRow(number, record)
        elif not holds_text(record):
            continue
        elif not header_seen:
            header_seen = True
        elif holds_text(record[len(names) :]):
            yield BadRow(number, f"has {len(record)} cells, but there are {len(names)} columns")
        else:
            yield Record(number, dict(zip(names, record, strict=False)))


def read_records(head: Head, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """The line on which a record starts, and its cells or, as a text, what is wrong with its quotes."""
    allow_long_fields()
    reader = csv.reader(whole_lines(head), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, broken_quote(str(error), Place(head.path, start), reader.line_num)
        else:
            yield start, record


def broken_quote(problem: str, place: Place, last_line: int) -> str:
    """What csv's own message means. Raises SourceError when nothing behind this record can be told apart."""
    if "field limit" in problem:
        raise SourceError(f"a quote is opened here and not closed within {MAX_LINE:,} characters", place, MEND_QUOTES)
    if "unexpected end" in problem:
        return f"a quote is opened here and never closed; all up to line {last_line} is inside it"
    return 'a quote inside a quoted text is not doubled ("")'


def whole_lines(head: Head) -> Iterator[str]:
    for number, line in read_lines(head.part, head.encoding):
        if line is None:
            raise SourceError(f"the line is longer than {MAX_LINE:,} characters", Place(head.path, number), "mend that line")
        yield line


def allow_long_fields() -> None:
    """csv's limit belongs to the whole process: it is raised to what a line may have, and never lowered."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))


def names_of(record: Sequence[str]) -> list[str]:
    return [name.strip() for name in record]


def holds_text(record: Sequence[str]) -> bool:
    return any(cell.strip() for cell in record)
