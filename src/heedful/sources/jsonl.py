"""Question/answer JSON Lines: one object a line with a question key and an answer key in; one conversation a line out."""

from collections.abc import Iterator

from heedful.errors import SourceError
from heedful.sources.columns import converse, pick
from heedful.sources.encoding import Head
from heedful.sources.jsonlines import first_objects, read_objects
from heedful.sources.rows import BadRow, Columns, RowError, Source, SourceRow


def recognise(head: Head, columns: Columns) -> dict[str, str] | None:
    """Which keys hold question and answer. Raises SourceError when the lines are objects, but none of them has both."""
    refusal: SourceError | None = None
    for row in first_objects(head):
        try:
            return pick(list(row), columns, head.path)
        except SourceError as error:
            refusal = error if refusal is None else refusal
    if refusal is not None:
        raise refusal
    return None


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    for item in read_objects(source):
        if isinstance(item, BadRow):
            yield item
            continue
        number, row = item
        try:
            yield SourceRow(number, converse(row, source.mapping, source.counts))
        except RowError as error:
            yield BadRow(number, str(error))
