"""A parsed document in; its chunks out: whole sentences of one section, with its headings and page, short enough for the embedder.

A chunk never crosses a heading. Two chunks of one section overlap by a sentence or two, so that what is said on both sides of a cut
is found whole in one of them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from heedful.knowledge.blocks import Block, Parsed

CHUNK_TOKENS = 200  # of text; measured, see docs/log.md
OVERLAP_TOKENS = 40
LEAST_TOKENS = 48  # however long the headings are, so much text has room
ARROW = " > "  # between the headings of a section
LISTS = re.compile(r"(references|bibliography|works cited|literature cited)\W*", re.IGNORECASE)  # sections that tell nothing
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)\]]*\s+(?=[\"“‘(\[]?[A-Z0-9])")

Count = Callable[[Sequence[str]], list[int]]  # tokens of each text


@dataclass(frozen=True, slots=True)
class Chunk:
    """`section` is the path of headings down to the text. `page` is where the chunk begins."""

    section: str
    page: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence, or a line of a list. `paragraph` numbers the paragraph that it is of."""

    text: str
    page: int | None
    paragraph: int
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    pieces: tuple[Piece, ...]


def chunk(parsed: Parsed, count: Count, most: int) -> list[Chunk]:
    """`most` tokens a chunk together with its header, as the embedder reads them."""
    sections = list(sections_of(parsed))
    headers = count([header(parsed.title, section.name) for section in sections])
    lengths = iter(count([piece.text for section in sections for piece in section.pieces]))
    found: list[Chunk] = []
    for section, used in zip(sections, headers, strict=True):
        budget = max(LEAST_TOKENS, min(CHUNK_TOKENS, most - used))
        pieces = [replace(piece, tokens=next(lengths)) for piece in section.pieces]
        fitting = [part for piece in pieces for part in cut(piece, budget)]
        found += [Chunk(section.name, run[0].page, joined(run)) for run in packed(fitting, budget)]
    return found


def header(title: str, section: str) -> str:
    """What stands above a chunk where it is embedded and indexed."""
    return title if section in ("", title) else f"{title}{ARROW}{section}"


def sections_of(parsed: Parsed) -> Iterator[Section]:
    """Text below one heading, before the next. Headings without text of their own only name what is below them.

    Bibliographies are left out: they hold the words of titles, which draw questions, and answer none.
    """
    path: list[Block] = []
    held: list[Piece] = []
    paragraphs = 0
    for block in (*parsed.blocks, Block("", 1)):
        if block.level == 0:
            held += [Piece(text, block.page, paragraphs) for text in sentences(block.text)]
            paragraphs += 1
            continue
        if held and not (path and LISTS.fullmatch(path[-1].text)):
            yield Section(name_of(path, parsed.title), tuple(held))
        held = []
        path = [*(above for above in path if above.level < block.level), block]


def name_of(path: Sequence[Block], title: str) -> str:
    """Without the document's title, which every section is below; the title itself for what stands directly below it."""
    names = [block.text for block in path if block.text]
    below = [name for name in names if name != title]
    return ARROW.join(below) if below else (names[-1] if names else "")


def sentences(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield from (part.strip() for part in SENTENCE_END.split(line) if part.strip())


def only_asks(text: str) -> bool:
    """At least half of it are questions, or it has blanks to fill in, as exercises have."""
    told = list(sentences(text))
    return "___" in text or 2 * sum(sentence.rstrip('"”’)').endswith("?") for sentence in told) >= len(told)


def cut(piece: Piece, budget: int) -> Iterator[Piece]:
    """A sentence that is longer than a chunk, as lists without full stops are, in parts of equal length."""
    if piece.tokens <= budget:
        yield piece
        return
    words = piece.text.split()
    parts = min(len(words), -(-piece.tokens * 5 // (budget * 4)))  # a quarter more than needed: words differ in tokens
    if parts < 2:  # one endless word: the embedder reads its beginning
        yield replace(piece, tokens=budget)
        return
    size = -(-len(words) // parts)
    for start in range(0, len(words), size):
        yield replace(piece, text=" ".join(words[start : start + size]), tokens=min(budget, piece.tokens // parts + 1))


def packed(pieces: Sequence[Piece], budget: int) -> Iterator[list[Piece]]:
    """Runs of at most `budget` tokens. A paragraph that does not fit any more begins a new one, if the run is half full."""
    whole = {number: sum(piece.tokens for piece in of) for number, of in groupby(pieces, lambda piece: piece.paragraph)}
    run: list[Piece] = []
    size = fresh = 0
    for piece in pieces:
        begins = bool(run) and piece.paragraph != run[-1].paragraph
        full = size + piece.tokens > budget
        if fresh and (full or (begins and size > budget / 2 and size + whole[piece.paragraph] > budget)):
            yield run
            run = tail(run, min(OVERLAP_TOKENS, budget - piece.tokens))
            size, fresh = sum(one.tokens for one in run), 0
        run.append(piece)
        size, fresh = size + piece.tokens, fresh + 1
    if fresh:
        yield run


def tail(run: Sequence[Piece], room: int) -> list[Piece]:
    """The last sentences that fit into `room`."""
    kept: list[Piece] = []
    for piece in reversed(run):
        room -= piece.tokens
        if room < 0:
            break
        kept.insert(0, piece)
    return kept


def joined(run: Sequence[Piece]) -> str:
    text = run[0].text
    for before, piece in pairwise(run):
        text += (" " if piece.paragraph == before.paragraph else "\n") + piece.text
    return text
