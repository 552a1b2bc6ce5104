"""JSON Lines: one object a line in; a record an object out, numbered by line. Blank lines are no rows."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice

from heedful.sources.containers.json_text import explain
from heedful.sources.encoding import MAX_LINE, Head, read_lines, text_records
from heedful.sources.rows import BadRow, Fields, Record, Records, RowError
from heedful.sources.text import kind

LINES_LOOKED_AT = 20


def lines(head: Head) -> Records:
    """Broken lines at the beginning are no part of the sample; reading names them."""
    there = head.text.split("\n")
    first = islice(filter(str.strip, there if head.whole else there[:-1]), LINES_LOOKED_AT)
    sample = [row for row in map(object_or_none, first) if row is not None]
    return text_records(head, "json lines", sample, partial(read, head))


def read(head: Head) -> Iterator[Record | BadRow]:
    for number, line in read_lines(head.part, head.encoding):
        if line is not None and not line.strip():
            continue
        try:
            yield Record(number, decode_object(line))
        except RowError as error:
            yield BadRow(number, f"the line {error}")


def object_or_none(line: str) -> Fields | None:
    try:
        return decode_object(line)
    except RowError:
        return None


def decode_object(line: str | None) -> Fields:
    """Raises RowError that says at which column the line is broken; it quotes none of it."""
    if line is None:
        raise RowError(f"is longer than {MAX_LINE:,} characters")
    try:
        decoded = json.loads(line.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        raise RowError(f"is not valid JSON at column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # json's limit on the digits of a number
        raise RowError(f"is JSON with {explain(error)}") from None
    if not isinstance(decoded, dict):
        raise RowError(f"is {kind(decoded)}, not an object")
    return decoded
