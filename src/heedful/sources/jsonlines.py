"""JSON Lines: a file in; one object a line out, or why a line is none. Shared by the formats that are written one row a line."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from heedful.sources.encoding import MAX_LINE, Head, read_lines
from heedful.sources.rows import BadRow, RowError, Source
from heedful.sources.text import kind

LINES_LOOKED_AT = 20
DOCUMENT_START = re.compile(r"[\[{]\s*$|^\[")  # one document over many lines, or an array, begins so


def decode(text: str, name_line: bool = False) -> Any:
    """A JSON value. Raises RowError that says where the text is broken; it quotes none of it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if name_line else f"column {error.colno}"
        raise RowError(f"is not valid JSON at {place}: {error.msg}") from None
    except RecursionError:
        raise RowError("is JSON that is nested too deeply") from None
    except ValueError:  # json's limit on the digits of a number
        raise RowError("is JSON with a number that is too long") from None


def decode_object(line: str | None) -> dict[str, Any]:
    if line is None:
        raise RowError(f"is longer than {MAX_LINE:,} characters")
    decoded = decode(line.rstrip("\r\n"))
    if not isinstance(decoded, dict):
        raise RowError(f"is {kind(decoded)}, not an object")
    return decoded


def first_objects(head: Head) -> list[dict[str, Any]]:
    """The objects on the first lines, broken lines left out. Empty when the file is not written one object a line."""
    if DOCUMENT_START.search(head.first_line):
        return []
    lines = head.text.split("\n")
    whole_lines = lines if head.whole else lines[:-1]
    objects = []
    for line in islice(filter(str.strip, whole_lines), LINES_LOOKED_AT):
        try:
            objects.append(decode_object(line))
        except RowError:
            continue  # `read` will name it
    return objects


def read_objects(source: Source) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    """Line numbers and objects. Blank lines are no rows."""
    for number, line in read_lines(source.path, source.encoding):
        if line is not None and not line.strip():
            continue
        try:
            yield number, decode_object(line)
        except RowError as error:
            yield BadRow(number, f"the line {error}")
