"""Transcripts: plain text with one turn a line, or a few, in; a record with a list of messages for each talk out.

`Patient: ...` and `Therapist: ...`, several talks in a file with a rule, a heading, a title such as `Session 3`, or a blank line
between them. Where every turn stands in a paragraph of its own, two blank lines are needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from heedful.errors import Place, SourceError
from heedful.sources.encoding import MAX_LINE, Head, read_lines, text_records
from heedful.sources.rows import BadRow, Hints, Record, Records, Separator
from heedful.sources.speech import Turn, find_separator, is_header, is_transcript, speakers, spoken

LINES_LOOKED_AT = 2_000
TALKS_LOOKED_AT = 20
SEPARATE = "say what stands between two conversations: --separator blank, blanks, header or none"


@dataclass(slots=True)
class Talk:
    """One conversation while it is read: the line of its first turn, its turns as messages, and their characters."""

    number: int = 0
    messages: list[dict[str, str]] = field(default_factory=list)
    size: int = 0

    def begin(self, number: int, turn: Turn) -> None:
        self.number = self.number if self.messages else number
        self.messages.append({"role": turn.name, "content": turn.text})
        self.size += len(turn.text)

    def go_on(self, line: str, blanks: int) -> None:
        """A further line of the turn at hand; a blank line before it is kept."""
        self.messages[-1]["content"] += "\n" * min(blanks + 1, 2) + line.strip()
        self.size += len(line)


def candidates(head: Head, hints: Hints) -> Iterator[Records]:
    """Raises SourceError when it is a transcript, but what separates its talks cannot be told."""
    lines = head.text.splitlines()
    lines = (lines if head.whole else lines[:-1])[:LINES_LOOKED_AT]
    if not is_transcript(lines, hints):
        return
    separator = find_separator(lines, speakers(lines, hints)) if hints.separator is None else hints.separator
    if separator is None:
        raise SourceError("it is not clear which turns are one conversation", Place(head.path), SEPARATE)
    reading = partial(talks, head, hints, separator)
    sample = [record.fields for record in islice(reading(), TALKS_LOOKED_AT) if isinstance(record, Record)]
    yield text_records(head, "transcript", sample, reading)


def talks(head: Head, hints: Hints, separator: Separator) -> Iterator[Record | BadRow]:
    """Raises SourceError at a line or a talk without end."""
    names = speakers((line for _, line in lines_of(head)), hints)
    talk, blanks = Talk(), 0
    for number, line in lines_of(head):
        turn = spoken(line)
        begins = turn is not None and turn.name in names
        header = not begins and is_header(line)
        if talk.messages and (ends_talk(separator, blanks, begins) or (header and separator != "none")):
            yield Record(talk.number, {"messages": talk.messages})
            talk = Talk()
        if turn is not None and begins:
            talk.begin(number, turn)
        elif talk.messages and line.strip() and not header:
            talk.go_on(line, blanks)
        blanks = 0 if line.strip() else blanks + 1
        if talk.size > MAX_LINE:
            place = Place(head.path, talk.number)
            raise SourceError(f"a conversation of more than {MAX_LINE:,} characters begins here", place, SEPARATE)
    if talk.messages:
        yield Record(talk.number, {"messages": talk.messages})


def ends_talk(separator: Separator, blanks: int, begins: bool) -> bool:
    return begins and ((separator == "blank" and blanks > 0) or (separator == "blanks" and blanks > 1))


def lines_of(head: Head) -> Iterator[tuple[int, str]]:
    for number, line in read_lines(head.part, head.encoding):
        if line is None:
            raise SourceError(f"the line is longer than {MAX_LINE:,} characters", Place(head.path, number), "mend that line")
        yield number, line.rstrip("\r\n")
