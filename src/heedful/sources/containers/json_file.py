"""JSON: a file that begins like JSON in; its records out, read line by line or as one document, whichever it is."""

from collections.abc import Iterator

from heedful.errors import SourceError
from heedful.sources.containers.json_document import document
from heedful.sources.containers.json_lines import lines, object_or_none
from heedful.sources.encoding import Head
from heedful.sources.rows import Hints, Records


def candidates(head: Head, hints: Hints) -> Iterator[Records]:
    """Lines when the first one is an object; it may also be a whole document. Raises SourceError when it is neither."""
    if not head.text.lstrip().startswith(("{", "[")):
        return
    by_line = lines(head)
    if object_or_none(head.first_line) is not None:
        yield by_line
    try:
        yield document(head)
    except SourceError:
        if not by_line.sample:
            raise
        yield by_line  # the first line is broken; reading says so
