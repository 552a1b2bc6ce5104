"""Chats: records that hold a list of messages in; one conversation a record out.

`{"messages": [{"role", "content"}]}`, ShareGPT's `{"conversations": [{"from", "value"}]}`, prompt and completion as lists of
messages, and a transcript as one text. Messages of one speaker that follow each other become one, joined by a newline. A dialogue
that nobody answered, or that nobody asked for, is no mistake: it is taken, and the filters of a dataset leave it out and count it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from heedful.conversation import Conversation, Message
from heedful.errors import Place, SourceError
from heedful.sources.columns import belonging, find, group_of, named_or_none, one, person_of
from heedful.sources.roles import SPEAKER_KEYS, TEXT_KEYS, find_role, naming, role_of
from heedful.sources.rows import BadRow, Fields, Hints, Records, RowError, Source, SourceRow
from heedful.sources.speech import turns_of_text
from heedful.sources.text import clean, kind, quote

SIDES = ("messages", "answer", "speaker", "text", "person", "group")
LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "transcript", "chat")
MAX_NAMED = 8  # unknown speakers that a message lists


def recognise(records: Records, hints: Hints) -> dict[str, str] | None:
    """Under which keys the messages lie. Raises SourceError when two lists fit, or when no speaker is known."""
    names = [name for name in records.names if any(holds_messages(row.get(name), hints) for row in records.sample)]
    found = find("messages", names, hints, lambda name: name.lower() in LISTS)
    if not found and {"prompt", "completion"} <= set(names):
        found = ["prompt"]
    if not found:
        return None
    key = one("messages", found, records.path)
    answer = named_or_none("answer", names, hints, records.path, lambda name: (key, name) == ("prompt", "completion"))
    mapping = {"messages": key} | answer | keys_of_messages(records, key, hints)
    refuse_strangers(records, mapping, hints)
    return mapping | belonging([name for name in records.names if name != key], hints, records.path)


def holds_messages(value: object, hints: Hints) -> bool:
    """A list of objects that speak, or a text of several turns. An empty list is a list of messages too."""
    turns = as_list(value, hints)
    if turns is None:
        return False
    keys = {key for turn in turns if isinstance(turn, dict) for key in turn}
    return all(isinstance(turn, dict) for turn in turns) and (not turns or not keys.isdisjoint((*SPEAKER_KEYS, *TEXT_KEYS)))


def as_list(value: object, hints: Hints) -> list[object] | None:
    """Messages as a list: as they stand, as JSON in a text, as a list for each key (Arrow), or as a transcript."""
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return [dict(zip(value, turn, strict=False)) for turn in zip(*value.values(), strict=False)]
    if isinstance(value, str):
        return as_json(value) if value.lstrip().startswith("[{") else turns_of_text(value, hints)
    return value if isinstance(value, list) else None


def as_json(text: str) -> list[object] | None:
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, list) else None


def keys_of_messages(records: Records, key: str, hints: Hints) -> dict[str, str]:
    """Who speaks and what, inside a message, as the first messages have it."""
    there = first_turns(records, key, hints)[:1]
    found = {}
    for side, names in (("speaker", SPEAKER_KEYS), ("text", TEXT_KEYS)):
        first = next((name for name in names for turn in there if name in turn), None)
        name = hints.columns.get(side, first)
        if name is not None:
            found[side] = name
    return found


def first_turns(records: Records, key: str, hints: Hints) -> list[dict[str, object]]:
    lists = (as_list(row.get(key), hints) for row in records.sample)
    return [turn for turns in lists if turns is not None for turn in turns if isinstance(turn, dict)]


def refuse_strangers(records: Records, mapping: Mapping[str, str], hints: Hints) -> None:
    """Raises SourceError when of all the speakers at the start none is known: then the caller must say who is who."""
    spoken = (turn.get(mapping.get("speaker", "")) for turn in first_turns(records, mapping["messages"], hints))
    names = list(dict.fromkeys(name.strip() for name in spoken if isinstance(name, str)))
    if len(names) > 1 and all(find_role(name, hints.speakers) is None for name in names):
        listed = ", ".join(map(quote, names[:MAX_NAMED])) + (
            f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        )
        raise SourceError(f"no speaker is known: {listed}", Place(records.path), f"say who is who: {naming(names[0])}, and so on")


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    for record in source.records.read():
        if isinstance(record, BadRow):
            yield record
            continue
        try:
            conversation = converse(record.fields, source)
            yield SourceRow(record.number, conversation, person_of(record.fields, source.mapping))
        except RowError as error:
            yield BadRow(record.number, str(error))


def converse(row: Fields, source: Source) -> Conversation:
    """Raises RowError unless there is a message of the user or the assistant, and all have a known role and a text."""
    messages = [
        message
        for side in ("messages", "answer")
        if side in source.mapping
        for message in listed(row, source.mapping[side], source.hints)
    ]
    turns = [read_message(message, f"message {number}", source) for number, message in enumerate(messages, 1)]
    return join_turns(turns, group_of(row, source.mapping))


def listed(row: Fields, key: str, hints: Hints) -> list[object]:
    messages = as_list(row.get(key), hints)
    if messages is None:
        raise RowError(f"{key} is missing" if key not in row else f"{key} is {kind(row[key])}, not a list")
    return messages


def join_turns(turns: Sequence[Message], group: str) -> Conversation:
    joined: list[Message] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined.append(Message(turn.role, f"{joined.pop().content}\n{turn.content}"))
        else:
            joined.append(turn)
    if all(turn.role == "system" for turn in joined):
        raise RowError("has no message of a user or an assistant")
    return Conversation(tuple(joined), group)


def read_message(message: object, name: str, source: Source) -> Message:
    if not isinstance(message, dict):
        raise RowError(f"{name} is {kind(message)}, not an object")
    speaker = first(message, keys_for("speaker", SPEAKER_KEYS, source), name)
    text = first(message, keys_for("text", TEXT_KEYS, source), name)
    return say(speaker, text, name, source)


def keys_for(side: str, known: tuple[str, ...], source: Source) -> tuple[str, ...]:
    """The key that the caller named, or any known one, that of the first messages before the others."""
    if side in source.hints.columns:
        return (source.hints.columns[side],)
    return (source.mapping.get(side, known[0]), *known)


def say(speaker: object, text: object, name: str, source: Source) -> Message:
    """One turn from what a source gives. Raises RowError for an unknown speaker or what is no text."""
    if isinstance(speaker, int) and not isinstance(speaker, bool):
        speaker = str(speaker)
    if not isinstance(speaker, str):
        raise RowError(f"the speaker of {name} is {kind(speaker)}, not a text")
    return Message(role_of(speaker, source.hints.speakers, name), clean(text_parts(text, name), name, source.counts))


def text_parts(content: object, name: str) -> object:
    """OpenAI's list of content parts as one text; anything else as it is. Raises RowError for a picture or a sound."""
    if not isinstance(content, list) or not all(isinstance(part, dict) and "type" in part for part in content):
        return content
    if any(part["type"] != "text" for part in content):
        raise RowError(f"{name} holds more than text")
    return "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))


def first(message: Fields, keys: tuple[str, ...], name: str) -> object:
    for key in keys:
        if key in message:
            return message[key]
    raise RowError(f"{name} has no {keys[0]}")
