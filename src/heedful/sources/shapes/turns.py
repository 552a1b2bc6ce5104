"""Turns: records with a speaker and a text in, one turn each, told apart by a conversation column; one conversation out for each.

The rows of a conversation need not stand together: they are sorted on disk, in a nameless temporary database that no crash leaves
behind, so memory does not grow with the file. The order is that of an order or time column, or else of the file. A bad turn makes
its conversation unusable: a dialogue with a hole would teach a wrong answer. Without a conversation column all is one conversation.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from heedful.conversation import Message
from heedful.errors import Place, SourceError
from heedful.sources.columns import (
    belonging,
    find,
    group_of,
    listed,
    name_them,
    named_or_none,
    names_a_conversation,
    names_a_speaker,
    names_an_utterance,
    one,
    person_of,
)
from heedful.sources.roles import find_role
from heedful.sources.rows import BadRow, Fields, Hints, Record, Records, RowError, Source, SourceRow
from heedful.sources.shapes.chat import join_turns, say
from heedful.sources.shapes.ordering import find_order, place_of
from heedful.sources.text import name_of

SIDES = ("conversation", "speaker", "text", "order", "person", "group")
MAX_TURNS = 2_000  # of a conversation: more rows than this without a conversation column are no single talk
TABLES = """
    CREATE TABLE talks (id INTEGER PRIMARY KEY, key TEXT UNIQUE, hole INTEGER DEFAULT 0);
    CREATE TABLE turns (talk INTEGER, place REAL, number INTEGER, fields TEXT, PRIMARY KEY (talk, place, number)) WITHOUT ROWID;
"""
IN_ORDER = "SELECT talk, hole, number, fields FROM talks JOIN turns ON talk = talks.id ORDER BY talk, place, number"


class Turn(NamedTuple):
    """A row as it lies in the temporary database. `hole`: a row of its talk may be missing."""

    talk: int
    hole: int
    number: int
    fields: str


def recognise(records: Records, hints: Hints) -> dict[str, str] | None:
    """Raises SourceError when a wanted column is missing or several fit."""
    names = records.names
    found = {"speaker": find_speaker(records, hints), "text": find("text", names, hints, names_an_utterance)}
    missing = [side for side, columns in found.items() if not columns]
    if missing and hints.format != "turns" and not found.keys() & hints.columns.keys():
        return None
    if missing:
        raise SourceError(f"no {' and no '.join(missing)} column; {listed(names)}", Place(records.path), name_them(*missing))
    mapping = {side: one(side, columns, records.path) for side, columns in found.items()}
    rest = [name for name in names if name not in mapping.values()]
    mapping |= named_or_none("conversation", rest, hints, records.path, names_a_conversation)
    mapping |= find_order(records, rest, hints)
    return mapping | belonging([name for name in rest if name not in mapping.values()], hints, records.path)


def find_speaker(records: Records, hints: Hints) -> list[str]:
    """Where several columns fit, for instance a role and a name, the one counts in which every speaker is known."""
    found = find("speaker", records.names, hints, names_a_speaker)
    known = [name for name in found if all(is_known(row.get(name), hints) for row in records.sample)]
    return known if len(known) == 1 else found


def is_known(value: object, hints: Hints) -> bool:
    return isinstance(value, str | int) and find_role(str(value), hints.speakers) is not None


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    with closing(sqlite3.connect("")) as spool:
        spool.executescript(TABLES)
        yield from fill(spool, source)
        for _, talk in groupby(spool.execute(IN_ORDER), key=itemgetter(0)):
            yield converse([Turn(*turn) for turn in talk], source)


def fill(spool: sqlite3.Connection, source: Source) -> Iterator[BadRow]:
    """Every row goes to its talk. A row that cannot be read leaves a hole in the talks before and behind it."""
    last: int | None = None
    hole = False
    for record in source.records.read():
        try:
            talk, fields = place(spool, record, source)
        except RowError as error:
            yield BadRow(record.number, str(error))
            mark(spool, last)
            hole = True
            continue
        if hole:
            mark(spool, talk)
        spool.execute("INSERT INTO turns VALUES (?, ?, ?, ?)", (talk, *fields))
        last, hole = talk, False


def place(spool: sqlite3.Connection, record: Record | BadRow, source: Source) -> tuple[int, tuple[float, int, str]]:
    """The talk of a record, and its row there. Raises RowError when it has none."""
    if isinstance(record, BadRow):
        raise RowError(record.reason)
    key = "" if "conversation" not in source.mapping else name_of(record.fields.get(source.mapping["conversation"]), "conversation")
    if key is None:
        raise RowError(f"{source.mapping['conversation']} is empty")
    kept = {name: record.fields[name] for name in source.mapping.values() if name in record.fields}
    row = (place_of(record.fields, source.mapping), record.number, json.dumps(kept, default=str))
    spool.execute("INSERT OR IGNORE INTO talks (key) VALUES (?)", (key,))
    return spool.execute("SELECT id FROM talks WHERE key = ?", (key,)).fetchone()[0], row


def mark(spool: sqlite3.Connection, talk: int | None) -> None:
    spool.execute("UPDATE talks SET hole = 1 WHERE id = ?", (talk,))


def converse(turns: Sequence[Turn], source: Source) -> SourceRow | BadRow:
    """Raises SourceError when it is too long for one conversation and no column says where the next begins."""
    first = min(turn.number for turn in turns)
    if "conversation" not in source.mapping and len(turns) > MAX_TURNS:
        problem = f"holds {len(turns):,} turns, and no column says to which conversation each belongs"
        raise SourceError(problem, Place(source.path), name_them("conversation"))
    if turns[0].hole:
        return BadRow(first, "a row before, in or behind its conversation cannot be read, so it may have a hole")
    said: list[tuple[Message, Fields]] = []
    for turn in turns:
        try:
            fields: Fields = json.loads(turn.fields)
            said.append((speak(fields, source), fields))
        except RowError as error:
            return BadRow(turn.number, str(error))
    try:
        conversation = join_turns([message for message, _ in said], group_of(said[0][1], source.mapping))
        return SourceRow(first, conversation, person_among(said, source.mapping))
    except RowError as error:
        return BadRow(first, str(error))


def speak(fields: Fields, source: Source) -> Message:
    speaker, text = source.mapping["speaker"], source.mapping["text"]
    for name in (speaker, text):
        if name not in fields:
            raise RowError(f"{name} is missing")
    return say(fields[speaker], fields[text], "the turn", source)


def person_among(said: Sequence[tuple[Message, Fields]], mapping: Mapping[str, str]) -> str | None:
    """The person of the user's turns: in such a table the column often names who wrote the row, which may be a therapist."""
    persons = {person for message, fields in said if message.role == "user" and (person := person_of(fields, mapping)) is not None}
    if len(persons) > 1:
        raise RowError("more than one person speaks as the user of this conversation")
    return persons.pop() if persons else None
