"""Names of columns in; which of them is what, out. Columns of a table and keys of JSON objects follow the same rule.

A name is split into words (`questionText` -> question, text) and counts when one word says what it is and the others only say
that it is text. Two names that fit equally well are refused, not guessed; the caller then names one.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from heedful.errors import Place, SourceError
from heedful.sources.rows import Fields, Hints
from heedful.sources.text import NAME_LENGTH, name_of, quote

TEXT = frozenset({"text", "texts", "body", "content", "full", "raw"})
IDENTITY = frozenset({"id", "ids", "no", "nr", "number", "key", "idx", "uuid"})
WHO = frozenset({"person", "user", "client", "patient", "participant", "member", "customer", "seeker", "visitor", "caller"})
TALK = frozenset({"conversation", "conv", "dialogue", "dialog", "session", "chat", "thread", "ticket", "case", "talk"})
SPEAKER = frozenset({"speaker", "role", "sender", "author", "from", "who"})
UTTERANCE = frozenset({"text", "utterance", "message", "content", "body", "value"})
QUESTION = frozenset({"question", "context", "prompt", "instruction", "input", "query"})
QUESTION |= {"questions", "contexts", "prompts", "instructions", "inputs", "queries", "q"}
ANSWER = frozenset({"answer", "response", "completion", "output", "reply"})
ANSWER |= {"answers", "responses", "completions", "outputs", "replies", "a"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
MAX_LISTED = 12  # columns that a message lists


def words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in WORD.findall(name))


def fits(name: str, kinds: Iterable[str], extras: Iterable[str] = TEXT) -> bool:
    """One word of `kinds`, and beside it nothing but `extras`."""
    own, wanted = words(name), frozenset(kinds)
    return len(own & wanted) == 1 and own - wanted <= frozenset(extras)


def find(side: str, names: Sequence[str], hints: Hints, rule: Callable[[str], bool]) -> list[str]:
    """Columns that may be `side`: the one that the caller named, else those that the rule takes."""
    named = hints.columns.get(side)
    if named is None:
        return [name for name in names if rule(name)]
    exact = [name for name in names if name == named]
    return exact if exact else [name for name in names if name.strip().casefold() == named.strip().casefold() and named]


def one(side: str, found: Sequence[str], path: Path) -> str:
    """Raises SourceError when several columns fit."""
    if len(found) > 1:
        raise SourceError(
            f"more than one {side} column: {' and '.join(map(quote, found[:MAX_LISTED]))}", Place(path), name_them(side)
        )
    return found[0]


def name_them(*sides: str) -> str:
    return "name them: " + " ".join(f"--column {side}=NAME" for side in sides)


def named_or_none(side: str, names: Sequence[str], hints: Hints, path: Path, rule: Callable[[str], bool]) -> dict[str, str]:
    """The part of a mapping for a column that need not be there. Raises SourceError when the caller's name is not there."""
    found = find(side, names, hints, rule)
    if not found and hints.columns.get(side):
        raise SourceError(f"no column {hints.columns[side]!r}; {listed(names)}", Place(path), name_them(side))
    return {side: one(side, found, path)} if found else {}


def listed(names: Sequence[str]) -> str:
    """The columns for a message. Longer texts may be data instead of names, which no message quotes."""
    short = [name for name in names if len(name) <= NAME_LENGTH]
    shown = ", ".join(name if name else "(no name)" for name in short[:MAX_LISTED])
    more = len(names) - len(short[:MAX_LISTED])
    return f"columns there: {shown if shown else 'none with a short name'}{f' and {more} more' if more else ''}"


def belonging(names: Sequence[str], hints: Hints, path: Path) -> dict[str, str]:
    """The columns of the person to whom a conversation belongs, found by name, and of its group, which only the caller can name."""
    person = named_or_none("person", names, hints, path, names_a_person)
    return person | named_or_none("group", names, hints, path, lambda name: False)


def names_a_conversation(name: str) -> bool:
    own = words(name)
    return len(own & TALK) == 1 and own - TALK <= IDENTITY


def names_a_speaker(name: str) -> bool:
    own = words(name)
    return bool(own & SPEAKER) and own - SPEAKER <= {"name", "type", "label"}


def names_an_utterance(name: str) -> bool:
    own = words(name)
    return bool(own & UTTERANCE) and own <= UTTERANCE | TEXT


def names_a_person(name: str) -> bool:
    own = words(name)
    return own == {"person"} or (len(own) == 2 and len(own & WHO) == 1 and len(own & IDENTITY) == 1)


def person_of(fields: Fields, mapping: Mapping[str, str]) -> str | None:
    """A row without a person, or with null or a blank, has none. JSON rows may bring the key `person` late."""
    return name_of(fields.get(mapping.get("person", "person")), "person")


def group_of(fields: Fields, mapping: Mapping[str, str]) -> str:
    name = name_of(fields.get(mapping["group"]), "group") if "group" in mapping else None
    return "" if name is None else name
