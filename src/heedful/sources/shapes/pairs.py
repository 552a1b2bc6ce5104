"""Pairs: records with a question and an answer in, whatever their columns are called; one conversation a record out.

Context/Response, question/answer, prompt/completion, instruction/response, Alpaca's instruction/input/output with its `system` and
`history`, and columns that are called as the speakers are, such as Patient/Doctor. An empty question or answer is a bad row:
a table of pairs promises both.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from heedful.conversation import Conversation, Message
from heedful.errors import Place, SourceError
from heedful.sources.columns import (
    ANSWER,
    QUESTION,
    TEXT,
    belonging,
    find,
    fits,
    group_of,
    listed,
    name_them,
    named_or_none,
    one,
    person_of,
    words,
)
from heedful.sources.roles import ASSISTANT, USER
from heedful.sources.rows import BadRow, Counts, Fields, Hints, Records, RowError, Source, SourceRow
from heedful.sources.text import clean, is_blank, kind, quote

SIDES = ("question", "answer", "title", "addition", "system", "history", "person", "group")
TITLE = frozenset({"title", "titles"})
# What follows an instruction in one row (Alpaca: input, Dolly: context) belongs to the question; it is not a second question.
INSTRUCTION = frozenset({"instruction", "instructions"})
ADDITION = frozenset({"input", "inputs", "context", "contexts"})
KINDS = {"question": (QUESTION, frozenset(USER)), "answer": (ANSWER, frozenset(ASSISTANT))}
ELSE = f"{name_them('question', 'answer')}; or, with one turn a row: --column speaker=NAME --column text=NAME"


def recognise(records: Records, hints: Hints) -> dict[str, str] | None:
    """Raises SourceError that lists the columns when one is missing or more than one fits."""
    if records.container == "transcript":
        return None
    return pick(records.names, hints, records.path)


def pick(names: Sequence[str], hints: Hints, path: Path) -> dict[str, str]:
    """Which column is what: `question` and `answer`, and where there are such, what belongs to them."""
    found = {side: find_side(side, names, hints) for side in KINDS}
    missing = [
        f"no {side} column" if hints.columns.get(side) is None else f"no column {hints.columns[side]!r}"
        for side in KINDS
        if not found[side]
    ]
    if missing:
        raise SourceError(f"{' and '.join(missing)}; {listed(names)}", Place(path), ELSE)
    picked = {side: one(side, columns, path) for side, columns in found.items()}
    if picked["question"] == picked["answer"]:
        raise SourceError(f"column {quote(picked['question'])} cannot be both question and answer", Place(path), ELSE)
    rest = [name for name in names if name not in picked.values()]
    return picked | companions(picked["question"], rest, hints, path) | belonging(rest, hints, path)


def find_side(side: str, names: Sequence[str], hints: Hints) -> list[str]:
    """By what the column holds, or else by who speaks in it."""
    by_text, by_speaker = KINDS[side]
    found = find(side, names, hints, lambda name: fits(name, by_text))
    if side == "question" and any(fits(name, INSTRUCTION) for name in found):
        found = [name for name in found if not fits(name, ADDITION)]
    return found if found else find(side, names, hints, lambda name: fits(name, by_speaker))


def companions(question: str, names: Sequence[str], hints: Hints, path: Path) -> dict[str, str]:
    """Columns that belong to the question. A title or an addition is looked for only where the question was found by its name."""
    guess = "question" not in hints.columns
    rules = {
        "title": lambda name: guess and fits(name, TITLE, QUESTION | TEXT),
        "addition": lambda name: guess and fits(question, INSTRUCTION) and fits(name, ADDITION),
        "system": lambda name: words(name) in ({"system"}, {"system", "prompt"}),
        "history": lambda name: words(name) == {"history"},
    }
    found: dict[str, str] = {}
    for side, rule in rules.items():
        found |= named_or_none(side, names, hints, path, rule)
    return found


def read(source: Source) -> Iterator[SourceRow | BadRow]:
    for record in source.records.read():
        if isinstance(record, BadRow):
            yield record
            continue
        try:
            conversation = converse(record.fields, source.mapping, source.counts)
            yield SourceRow(record.number, conversation, person_of(record.fields, source.mapping))
        except RowError as error:
            yield BadRow(record.number, str(error))


def converse(row: Fields, mapping: Mapping[str, str], counts: Counts) -> Conversation:
    """Raises RowError when question or answer is missing."""
    system = optional(row, mapping.get("system"), counts)
    before = earlier(row.get(mapping["history"]), counts) if "history" in mapping else []
    question = ask(row, mapping, counts)
    answer = clean(value(row, mapping["answer"]), mapping["answer"], counts)
    first = [Message("system", system)] if system else []
    turns = (*first, *before, Message("user", question), Message("assistant", answer))
    return Conversation(turns, group_of(row, mapping))


def ask(row: Fields, mapping: Mapping[str, str], counts: Counts) -> str:
    """The question, its title before it unless the text begins with it, and its addition in a paragraph after it."""
    title = optional(row, mapping.get("title"), counts)
    addition = optional(row, mapping.get("addition"), counts)
    name = mapping["question"]
    if title and is_blank(row.get(name)):
        return title
    text = clean(value(row, name), name, counts)
    whole = text if text.startswith(title) else f"{title} {text}"
    return f"{whole}\n\n{addition}" if addition else whole


def earlier(turns: object, counts: Counts) -> list[Message]:
    """Alpaca's history: `[[question, answer], ...]`."""
    if turns is None or turns == "":
        return []
    if not isinstance(turns, list) or any(not isinstance(turn, list) or len(turn) != 2 for turn in turns):
        raise RowError(f"history is {kind(turns)}, not a list of question and answer")
    said: list[Message] = []
    for position, (question, answer) in enumerate(turns, 1):
        said.append(Message("user", clean(question, f"history {position}", counts)))
        said.append(Message("assistant", clean(answer, f"history {position}", counts)))
    return said


def optional(row: Fields, name: str | None, counts: Counts) -> str:
    if name is None or row.get(name) is None or is_blank(row[name]):
        return ""
    return clean(row[name], name, counts)


def value(row: Fields, name: str) -> object:
    if name not in row:
        raise RowError(f"{name} is missing")
    return row[name]
