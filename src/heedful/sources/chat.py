"""Chat JSON Lines: one object a line with a list of messages in; one conversation a line out.

`{"messages": [{"role": "user", "content": "..."}, ...], "person": "..."}`; other keys of a row or of a message are not needed.
Messages of one role that follow each other become one, joined by a newline. The names that other sets use for rows, roles
and texts are in the tables below.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from heedful.conversation import Conversation, Message, Role
from heedful.sources.encoding import Head
from heedful.sources.jsonlines import first_objects, read_objects
from heedful.sources.rows import BadRow, Columns, Counts, RowError, Source, SourceRow
from heedful.sources.text import clean, kind, quote

LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog")
SPEAKER = ("role", "from")
TEXT = ("content", "value")
ROLE_NAMES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    **dict.fromkeys(("user", "human", "client", "patient"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "counselor", "counsellor", "therapist"), "assistant"),
}
ROW_START = re.compile(rf'\A\s*{{[^\n]*?(?<!\\)"({"|".join(LISTS)})"\s*:\s*\[')


def recognise(head: Head, columns: Columns) -> dict[str, str] | None:
    """Under which key the messages lie. One broken first line is enough: `read` then says what is wrong with it."""
    objects = first_objects(head)
    for row in objects:
        for key in LISTS:
            if isinstance(row.get(key), list) and all(isinstance(message, dict) for message in row[key]):
                return {"messages": key}
    start = None if objects else ROW_START.search(head.text)
    return None if start is None else {"messages": start[1]}


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    for item in read_objects(source):
        if isinstance(item, BadRow):
            yield item
            continue
        number, row = item
        try:
            yield SourceRow(number, converse(row, source.mapping["messages"], source.counts), person(row))
        except RowError as error:
            yield BadRow(number, str(error))


def person(row: Mapping[str, Any]) -> str | None:
    """The key of the person who speaks; a row without one, or with null, has none."""
    key = row.get("person")
    return None if key is None else clean(key, "person", Counts())


def converse(row: Mapping[str, Any], key: str, counts: Counts) -> Conversation:
    """Raises RowError unless there is at least one user and one assistant message, all with a known role and a text."""
    rows = row.get(key)
    if not isinstance(rows, list):
        raise RowError(f"{key} is missing" if key not in row else f"{key} is {kind(rows)}, not a list")
    turns: list[Message] = []
    for position, message in enumerate(rows, 1):
        turn = read_message(message, f"message {position}", counts)
        if turns and turns[-1].role == turn.role:
            turn = Message(turn.role, f"{turns.pop().content}\n{turn.content}")
        turns.append(turn)
    for role in ("user", "assistant"):
        if all(turn.role != role for turn in turns):
            raise RowError(f"no {role} message")
    return Conversation(tuple(turns))


def read_message(message: object, name: str, counts: Counts) -> Message:
    if not isinstance(message, dict):
        raise RowError(f"{name} is {kind(message)}, not an object")
    role, text = first(message, SPEAKER, name), first(message, TEXT, name)
    if not isinstance(role, str):
        raise RowError(f"the role of {name} is {kind(role)}, not a text")
    if role.strip().lower() not in ROLE_NAMES:
        raise RowError(f"{name} has the unknown role {quote(role)}; known are {', '.join(ROLE_NAMES)}")
    return Message(ROLE_NAMES[role.strip().lower()], clean(text, name, counts))


def first(message: Mapping[str, Any], keys: tuple[str, ...], name: str) -> object:
    for key in keys:
        if key in message:
            return message[key]
    raise RowError(f"{name} has no {keys[0]}")
