"""JSON documents: a list of objects, or an object that holds such a list, in; a record an object out, however long the list is.

`[{...}, ...]`, `{"data": [{...}, ...]}`, several of them behind each other, and one object that is itself a record. A list of
messages inside an object is part of it: such an object is one conversation.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from heedful.errors import Place, SourceError
from heedful.sources.columns import names_a_conversation
from heedful.sources.containers.json_text import JsonText
from heedful.sources.encoding import Head, open_text, text_records
from heedful.sources.roles import SPEAKER_KEYS, TEXT_KEYS
from heedful.sources.rows import BadRow, Fields, Record, Records, RowError
from heedful.sources.text import kind

RECORDS_LOOKED_AT = 20


def document(head: Head) -> Records:
    """Raises SourceError when not even the first record can be read; an error further on is raised by the reading that meets it."""
    reading = partial(read, head)
    sample: list[Fields] = []
    try:
        sample.extend(record.fields for record in islice(reading(), RECORDS_LOOKED_AT) if isinstance(record, Record))
    except SourceError:
        if not sample:
            raise
    return text_records(head, "json", sample, reading)


def read(head: Head) -> Iterator[Record | BadRow]:
    """Records by their position. Raises SourceError with line and column where the text is no JSON: what follows cannot be told."""
    with open_text(head.part, head.encoding) as stream:
        try:
            for number, item in enumerate(records(JsonText(stream)), 1):
                yield Record(number, item) if isinstance(item, dict) else BadRow(number, f"the row is {kind(item)}, not an object")
        except RowError as error:
            raise SourceError(str(error), Place(head.path), "is the file complete? mend it there") from None


def records(text: JsonText) -> Iterator[object]:
    while opening := text.peek():
        if opening == "[":
            yield from text.items()
        elif opening == "{":
            yield from records_inside(text)
        else:
            raise text.unexpected("a list or an object")


def records_inside(text: JsonText) -> Iterator[object]:
    """The items of every list of objects in this object; if it holds none, the object itself."""
    whole: dict[str, object] = {}
    found = False
    for key in text.members():
        items = text.items() if text.peek() == "[" else None
        if items is None:
            whole[key] = text.value()
            continue
        first = next(items, None)
        if isinstance(first, dict) and not is_message(first):
            found = True
            yield first
            yield from items
        else:
            whole[key] = [] if first is None else [first, *items]
    if not found:
        yield whole


def is_message(item: dict[str, object]) -> bool:
    """One turn of a conversation whose name does not stand in the turn itself."""
    return any(k in item for k in SPEAKER_KEYS) and any(k in item for k in TEXT_KEYS) and not any(map(names_a_conversation, item))
