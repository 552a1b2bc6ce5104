"""Names of columns in, which of them hold question and answer out; then one row of values in, one conversation out.

CSV columns and JSONL keys follow the same rule. A name is split into words (`questionText` -> question, text) and counts when
one word says what it is and the others only say that it is text. Two names that fit equally well are refused, not guessed.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from heedful.conversation import Conversation, Message
from heedful.errors import Place, SourceError
from heedful.sources.rows import Columns, Counts, RowError
from heedful.sources.text import NAME_LENGTH, clean, is_blank, quote

QUESTION = {"question", "questions", "context", "contexts", "prompt", "prompts", "instruction", "instructions", "input", "inputs"}
QUESTION |= {"query", "queries", "q"}
ANSWER = {"answer", "answers", "response", "responses", "completion", "completions", "output", "outputs", "reply", "replies", "a"}
TEXT = {"text", "texts", "body", "content", "full", "raw"}
TITLE = {"title", "titles"}
# What follows an instruction in one row (Alpaca: input, Dolly: context) belongs to the question; it is not a second question.
INSTRUCTION = {"instruction", "instructions"}
ADDITION = {"input", "inputs", "context", "contexts"}
SIDES = {"question": QUESTION, "answer": ANSWER}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
MAX_LISTED = 12  # columns that a message lists
NAME_THEM = "name them: --question-column NAME --answer-column NAME"


def words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in WORD.findall(name))


def fits(name: str, kinds: set[str], extras: set[str] = TEXT) -> bool:
    """One word of `kinds`, and beside it nothing but `extras`."""
    own = words(name)
    return len(own & kinds) == 1 and own - kinds <= extras


def pick(names: Sequence[str], columns: Columns, path: Path) -> dict[str, str]:
    """Which column is what: `question`, `answer`, and where there are such `title` and `addition`.

    Raises SourceError that lists the columns when one is missing or more than one fits.
    """
    wanted = {"question": columns.question, "answer": columns.answer}
    matches = {side: by_rule(side, names) if name is None else by_name(name, names) for side, name in wanted.items()}
    missing = [
        f"no {side} column" if wanted[side] is None else f"no column {wanted[side]!r}" for side in wanted if not matches[side]
    ]
    if missing:
        raise SourceError(f"{' and '.join(missing)}; {listed(names)}", Place(path), NAME_THEM)
    for side, found in matches.items():
        if len(found) > 1:
            raise SourceError(
                f"more than one {side} column: {' and '.join(map(quote, found[:MAX_LISTED]))}", Place(path), NAME_THEM
            )
    picked = {side: found[0] for side, found in matches.items()}
    if picked["question"] == picked["answer"]:
        raise SourceError(f"column {quote(picked['question'])} cannot be both question and answer", Place(path), NAME_THEM)
    if columns.question is not None:
        return picked
    return picked | {part: name for part, name in companions(picked["question"], names).items() if name != picked["answer"]}


def by_name(named: str, names: Sequence[str]) -> list[str]:
    exact = [name for name in names if name == named]
    return exact if exact else [name for name in names if name.strip().casefold() == named.strip().casefold()]


def by_rule(side: str, names: Sequence[str]) -> list[str]:
    matches = [name for name in names if fits(name, SIDES[side])]
    if side == "question" and any(fits(name, INSTRUCTION) for name in matches):
        return [name for name in matches if not fits(name, ADDITION)]
    return matches


def listed(names: Sequence[str]) -> str:
    """The columns for a message. Longer texts may be data instead of names, which no message quotes."""
    short = [name for name in names if len(name) <= NAME_LENGTH]
    shown = ", ".join(name if name else "(no name)" for name in short[:MAX_LISTED])
    more = len(names) - len(short[:MAX_LISTED])
    return f"columns there: {shown if shown else 'none with a short name'}{f' and {more} more' if more else ''}"


def companions(question: str, names: Sequence[str]) -> dict[str, str]:
    """Columns that belong to the question: its title, or what follows an instruction."""
    found = {}
    titles = [name for name in names if fits(name, TITLE, QUESTION | TEXT)]
    additions = [name for name in names if fits(name, ADDITION)] if fits(question, INSTRUCTION) else []
    if len(titles) == 1:
        found["title"] = titles[0]
    if len(additions) == 1:
        found["addition"] = additions[0]
    return found


def converse(row: Mapping[str, object], mapping: Mapping[str, str], counts: Counts) -> Conversation:
    """One question and its answer. Raises RowError when either is missing."""
    answer = clean(value(row, mapping["answer"]), mapping["answer"], counts)
    return Conversation((Message("user", ask(row, mapping, counts)), Message("assistant", answer)))


def ask(row: Mapping[str, object], mapping: Mapping[str, str], counts: Counts) -> str:
    """The question, its title before it unless the text begins with it, and its addition in a paragraph after it."""
    title = optional(row, mapping.get("title"), counts)
    addition = optional(row, mapping.get("addition"), counts)
    name = mapping["question"]
    if title and is_blank(row.get(name)):
        return title
    text = clean(value(row, name), name, counts)
    whole = text if text.startswith(title) else f"{title} {text}"
    return f"{whole}\n\n{addition}" if addition else whole


def optional(row: Mapping[str, object], name: str | None, counts: Counts) -> str:
    if name is None or row.get(name) is None or is_blank(row[name]):
        return ""
    return clean(row[name], name, counts)


def value(row: Mapping[str, object], name: str) -> object:
    if name not in row:
        raise RowError(f"{name} is missing")
    return row[name]
