"""Intents JSON: `{"intents": [{"tag", "patterns", "responses"}]}` in; pairs of a pattern and a response out.

Each intent gives as many conversations as its longer list has texts; the shorter list goes round, so that every pattern and
every response occurs. All of an intent share the group, its tag; a tag that occurs twice is one group. An intent whose patterns
are all blank is the format's usual `no-response` fallback: nothing was said, so it is passed over and counted.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from heedful.conversation import Conversation, Message
from heedful.errors import Place, SourceError
from heedful.sources.encoding import Head, open_text
from heedful.sources.jsonlines import decode
from heedful.sources.rows import BadRow, Columns, Counts, RowError, Source, SourceRow
from heedful.sources.text import clean, is_blank, kind

INTENTS = re.compile(r'(?<!\\)"intents"\s*:')
MAPPING = {"question": "patterns", "answer": "responses", "group": "tag"}
WORDLESS = "intents without a pattern in words"
BLANK = "blank patterns and responses"


def recognise(head: Head, columns: Columns) -> dict[str, str] | None:
    """Raises SourceError with line and column when it is an intents file that does not parse."""
    if not head.text.lstrip().startswith("{"):
        return None
    try:
        row = decode(head.first_line)
        if "intents" not in row or not isinstance(row["intents"], list | dict):
            return None  # one row of JSON Lines
    except RowError:
        if INTENTS.search(head.text) is None:
            return None
    load(head.path, head.encoding)
    return dict(MAPPING)


def load(path: Path, encoding: str) -> list[Any]:
    with open_text(path, encoding) as stream:
        text = stream.read()
    try:
        document = decode(text, name_line=True)
    except RowError as error:
        raise SourceError(str(error), Place(path), "is the file complete? mend it there") from None
    intents = document.get("intents") if isinstance(document, dict) else None
    if not isinstance(intents, list):
        raise SourceError(
            f"intents is {kind(intents)}, not a list", Place(path), 'write {"intents": [{"tag", "patterns", "responses"}]}'
        )
    return intents


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    for number, intent in enumerate(load(source.path, source.encoding), 1):
        try:
            conversations = pair(intent, source.counts)
        except RowError as error:
            yield BadRow(number, str(error))
            continue
        yield from (SourceRow(number, conversation) for conversation in conversations)


def pair(intent: object, counts: Counts) -> list[Conversation]:
    """Conversations of one intent, none for a wordless one. Raises RowError when it has no tag, patterns or responses."""
    if not isinstance(intent, dict):
        raise RowError(f"the intent is {kind(intent)}, not an object")
    tag = clean(intent.get("tag"), "tag", counts)
    patterns, responses = texts(intent, "patterns", counts), texts(intent, "responses", counts)
    if not responses:
        raise RowError("responses are all blank")
    if not patterns:
        counts.passed_over[WORDLESS] += 1
        return []
    blank = len(intent["patterns"]) + len(intent["responses"]) - len(patterns) - len(responses)
    if blank:
        counts.passed_over[BLANK] += blank
    turns = range(max(len(patterns), len(responses)))
    return [converse(patterns[turn % len(patterns)], responses[turn % len(responses)], tag) for turn in turns]


def texts(intent: dict[str, Any], key: str, counts: Counts) -> list[str]:
    """The texts of one list, blank ones left out."""
    values = intent.get(key)
    if not isinstance(values, list):
        raise RowError(f"{key} is {kind(values)}, not a list of texts" if key in intent else f"{key} is missing")
    if not values:
        raise RowError(f"{key} is empty")
    named = ((f"{key} {position}", value) for position, value in enumerate(values, 1) if not is_blank(value))
    return [clean(value, name, counts) for name, value in named]


def converse(pattern: str, response: str, tag: str) -> Conversation:
    return Conversation((Message("user", pattern), Message("assistant", response)), group=tag)
