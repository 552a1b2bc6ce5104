"""Intents: records `{"tag", "patterns", "responses"}` in; pairs of a pattern and a response out.

Each intent gives as many conversations as its longer list has texts; the shorter list goes round, so that every pattern and
every response occurs. All of an intent share the group, its tag; a tag that occurs twice is one group, and counted. An intent whose
patterns are all blank is the format's usual `no-response` fallback: nothing was said, so it is passed over and counted.
"""

from collections.abc import Iterator

from heedful.conversation import Conversation, Message
from heedful.errors import Place, SourceError
from heedful.sources.rows import BadRow, Counts, Fields, Hints, Records, RowError, Source, SourceRow
from heedful.sources.text import clean, is_blank, kind

SIDES: tuple[str, ...] = ()  # columns that a caller can name
MAPPING = {"question": "patterns", "answer": "responses", "group": "tag"}
WRITE = 'write {"intents": [{"tag", "patterns", "responses"}]}'
WORDLESS = "intents without a pattern in words"
BLANK = "blank patterns and responses"
REPEATED = "intents whose tag an earlier one has; they are one group"


def recognise(records: Records, hints: Hints) -> dict[str, str] | None:
    """Raises SourceError for a document whose `intents` are no list of intents."""
    if {"tag", "patterns", "responses"} <= set(records.names):
        return dict(MAPPING)
    if any({"patterns", "responses"} <= row.keys() or {"tag", "patterns"} <= row.keys() for row in records.sample):
        return dict(MAPPING)  # broken ones: reading says what is wrong with them
    if records.names == ("intents",):
        found = kind(records.sample[0]["intents"])
        raise SourceError(f"intents is {found}, not a list of intents", Place(records.path), WRITE)
    return None


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    tags: set[str] = set()
    for record in source.records.read():
        if isinstance(record, BadRow):
            yield record
            continue
        try:
            conversations = pair(record.fields, source.counts)
        except RowError as error:
            yield BadRow(record.number, str(error))
            continue
        if conversations:
            tag = conversations[0].group
            source.counts.noted[REPEATED] += tag in tags
            tags.add(tag)
        yield from (SourceRow(record.number, conversation) for conversation in conversations)


def pair(intent: Fields, counts: Counts) -> list[Conversation]:
    """Conversations of one intent, none for a wordless one. Raises RowError when it has no tag, patterns or responses."""
    tag = clean(intent.get("tag"), "tag", counts)
    patterns, responses = texts(intent, "patterns", counts), texts(intent, "responses", counts)
    if not responses:
        raise RowError("responses are all blank")
    if not patterns:
        counts.passed_over[WORDLESS] += 1
        return []
    blank = blanks(intent, "patterns") + blanks(intent, "responses")
    if blank:
        counts.passed_over[BLANK] += blank
    turns = range(max(len(patterns), len(responses)))
    return [converse(patterns[turn % len(patterns)], responses[turn % len(responses)], tag) for turn in turns]


def texts(intent: Fields, key: str, counts: Counts) -> list[str]:
    """The texts of one list, blank ones left out."""
    values = intent.get(key)
    if not isinstance(values, list):
        raise RowError(f"{key} is {kind(values)}, not a list of texts" if key in intent else f"{key} is missing")
    if not values:
        raise RowError(f"{key} is empty")
    named = ((f"{key} {position}", value) for position, value in enumerate(values, 1) if not is_blank(value))
    return [clean(value, name, counts) for name, value in named]


def blanks(intent: Fields, key: str) -> int:
    values = intent[key]
    return sum(map(is_blank, values)) if isinstance(values, list) else 0


def converse(pattern: str, response: str, tag: str) -> Conversation:
    return Conversation((Message("user", pattern), Message("assistant", response)), group=tag)
