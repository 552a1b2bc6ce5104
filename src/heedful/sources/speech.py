"""Lines of a transcript in; who speaks, and what stands between two talks, out.

A turn begins with `Name: text`; a time before the name, bold type and a heading mark are taken off. Other lines belong to the turn
above. A name that no role is known for counts as a speaker when it begins two lines or more: a single `Note: ...` is text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heedful.sources.roles import find_role
from heedful.sources.rows import Hints, Separator

DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?\s+"
TIME = rf"[\[(]?(?:{DATE})?\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\.\d+)?\s?(?:[AaPp]\.?[Mm]\.?)?[\])]?\s*(?:[-–—]\s+)?"
NAME = r"(?P<name>[^\W\d_](?:[\w .'’()-]{0,38}[\w.)])?)"
COLON = r"(?::\**(?=\s|$)|：\**)"
SPOKEN = re.compile(rf"\s*(?:{TIME})?(?:#{{1,6}}\s*)?\**{NAME}\**\s*(?:[\[(]{TIME}[\])]?\s*)?{COLON}\s*(?P<text>.*)", re.DOTALL)
RULE = re.compile(r"\s*([-=*_#~])(?:\s?\1){2,}\s*$")
HEADING = re.compile(r"\s*#{1,6}\s+\S")
TITLED = "session|conversation|dialogue|dialog|transcript|interview"  # not "call 911"
TITLE = re.compile(rf"\W*(?:{TITLED})\s*(?:no\.?|nr\.?|id)?\W{{0,3}}\d+\W*(?:[,:(–-].{{0,40}})?$", re.IGNORECASE)
RECURS = 2  # lines that a name begins, from which on it is a speaker
FIRST_LINES = 5  # a title or a note may stand before the first turn
MAX_UNKNOWN = 8  # different names of a transcript in which nobody is known


@dataclass(frozen=True, slots=True)
class Turn:
    name: str
    text: str


def spoken(line: str) -> Turn | None:
    """The turn that begins on this line."""
    found = None if TITLE.match(line) else SPOKEN.match(line)
    return None if found is None else Turn(found["name"].strip(), found["text"].strip())


def is_header(line: str) -> bool:
    """A line between two talks: a rule, a heading, or a title with a number."""
    return bool(RULE.match(line) or TITLE.match(line) or (HEADING.match(line) and spoken(line) is None))


def speakers(lines: Iterable[str], hints: Hints) -> frozenset[str]:
    """All names that speak: known ones, and those that recur."""
    names = Counter(turn.name for turn in map(spoken, lines) if turn is not None)
    speaking = (name for name, count in names.items() if count >= RECURS or find_role(name, hints.speakers) is not None)
    return frozenset(name for name in speaking if name not in hints.no_speakers)


def is_transcript(lines: Sequence[str], hints: Hints) -> bool:
    """Someone speaks on one of the first lines; two turns are of known ones, or most lines are of a few that recur."""
    said = [line for line in lines if line.strip() and not is_header(line)]
    names = Counter(turn.name for turn in map(spoken, said) if turn is not None)
    if not any(map(spoken, said[:FIRST_LINES])):
        return False
    if sum(count for name, count in names.items() if find_role(name, hints.speakers) is not None) >= RECURS:
        return True
    recurring = [count for count in names.values() if count >= RECURS]
    return len(recurring) > 1 and len(names) <= MAX_UNKNOWN and sum(recurring) * 2 > len(said)


def find_separator(lines: Sequence[str], names: frozenset[str]) -> Separator | None:
    """What stands between two talks. None when it cannot be told: some blocks between blank lines are talks and some single turns,
    or there are headers, but more talks than these divide."""
    first = next((place for place, line in enumerate(lines) if begins(line, names)), 0)
    headers = sum(map(is_header, lines[first:]))
    blocks = [size for size in sizes_of_blocks(lines, names) if size]
    talks = sum(size > 1 for size in blocks)
    if headers:
        return "header" if talks <= headers + 1 else None
    if len(blocks) < 2 or talks * 3 >= len(blocks) * 2:
        return "blank"
    return "blanks" if talks * 3 <= len(blocks) else None


def begins(line: str, names: frozenset[str]) -> bool:
    turn = spoken(line)
    return turn is not None and turn.name in names


def sizes_of_blocks(lines: Sequence[str], names: frozenset[str]) -> list[int]:
    """Turns of each block between blank lines; a block that goes on with the turn above belongs to the block above."""
    sizes, blank = [0], False
    for line in lines:
        speaks = begins(line, names)
        if speaks and blank:
            sizes.append(0)
        sizes[-1] += speaks
        blank = not line.strip() or is_header(line) or (blank and not speaks)
    return sizes


def turns_of_text(text: str, hints: Hints) -> list[object] | None:
    """A whole transcript in one text as messages; None when it is none."""
    lines = text.splitlines()
    if not is_transcript(lines, hints):
        return None
    names = speakers(lines, hints)
    messages: list[dict[str, str]] = []
    for line in lines:
        turn = spoken(line)
        if turn is not None and turn.name in names:
            messages.append({"role": turn.name, "content": turn.text})
        elif messages:
            messages[-1]["content"] = f"{messages[-1]['content']}\n{line}"
    return list(messages)
