"""A PDF in; its blocks with page numbers out. Headings are the bookmarks of the document, found again in the text of their page."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.knowledge.blocks import Block, Parsed, Unreadable

BULLET = re.compile(r"^\s*[•●○►▪■❯◆✓–—*-]\s+")
HEADING_LINES = 4  # a heading runs over so many lines at most
EDGE_LINES = 2  # lines at the top and bottom of a page that may be the same on all pages
SHORT_LINE = 0.6  # of the page's usual width: a line so short that ends a sentence ends a paragraph
ENDS = (".", "?", "!", ":", "”", '"')

Lines = list[str]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """`page` counts from 1."""

    title: str
    level: int
    page: int


def parse_pdf(path: Path, fallback_title: str, most_pages: int) -> Parsed:
    """Raises Unreadable for an encrypted, damaged or pictures-only document, or one of more pages than `most_pages`."""
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError, PyPdfError

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("it is encrypted; save a copy without a password")
        count = len(reader.pages)
        if count > most_pages:
            raise Unreadable(f"it has {count} pages; allowed: {most_pages}")
        pages = [page.extract_text().splitlines() for page in reader.pages]
        title = str(reader.metadata.title or "").strip() if reader.metadata else ""
        bookmarks = list(walk_outline(reader, reader.outline, 1))
    except LimitReachedError:
        raise Unreadable("a part of it unpacks to more than is allowed") from None
    except PyPdfError as error:
        raise Unreadable(f"it is damaged ({type(error).__name__})") from None
    except (ArithmeticError, AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise Unreadable(f"it is damaged (the reader met a {type(error).__name__})") from None
    blocks = tuple(pdf_blocks(pages, bookmarks))
    if not blocks:
        raise Unreadable("it has no text, only pictures of pages; recognise its text first")
    return Parsed(title or fallback_title, blocks, count)


def walk_outline(reader: Any, items: Sequence[Any], level: int) -> Iterator[Bookmark]:
    for item in items:
        if isinstance(item, list):
            yield from walk_outline(reader, item, level + 1)
        elif (number := reader.get_destination_page_number(item)) is not None and str(item.title).strip():
            yield Bookmark(" ".join(str(item.title).split()), min(level, 6), number + 1)


def pdf_blocks(pages: Sequence[Lines], bookmarks: Sequence[Bookmark]) -> Iterator[Block]:
    everywhere = repeated_lines(pages)
    words = {word.lower() for lines in pages for line in lines for word in re.findall(r"[^\W\d_]+", line)}
    for number, lines in enumerate(pages, start=1):
        kept = [line.strip() for line in lines if same_everywhere(line) not in everywhere]
        yield from page_blocks(kept, [mark for mark in bookmarks if mark.page == number], number, words)


def repeated_lines(pages: Sequence[Lines]) -> set[str]:
    """Running heads and feet: what stands at the edge of at least half of the pages, page numbers aside."""
    edges: Counter[str] = Counter()
    for lines in pages:
        edges.update({same_everywhere(line) for line in [*lines[:EDGE_LINES], *lines[-EDGE_LINES:]] if line.strip()})
    return {line for line, count in edges.items() if count >= max(3, len(pages) / 2)}


def same_everywhere(line: str) -> str:
    return re.sub(r"[\d\s]+", "", line)


def page_blocks(lines: Lines, marks: list[Bookmark], page: int, words: set[str]) -> Iterator[Block]:
    waiting = {letters(mark.title): mark for mark in marks}
    width = sorted(map(len, lines))[int(len(lines) * 0.9)] if lines else 0
    held: Lines = []
    at = 0
    while at < len(lines):
        run, title = heading_at(lines, at, waiting)
        if title:
            yield from paragraph(held, page, words)
            held = []
            mark = waiting.pop(title)
            yield Block(mark.title, mark.level, page)
            at += run
            continue
        line = lines[at]
        if not line or BULLET.match(line) or (held and ends_paragraph(held[-1], width)):
            yield from paragraph(held, page, words)
            held = []
        if line:
            held.append(line)
        at += 1
    yield from paragraph(held, page, words)


def heading_at(lines: Lines, at: int, waiting: dict[str, Bookmark]) -> tuple[int, str]:
    """How many lines from `at` on are a bookmark's title, and its letters; (0, "") for none."""
    joined = ""
    for run, line in enumerate(lines[at : at + HEADING_LINES], start=1):
        joined += letters(line)
        if joined in waiting:
            return run, joined
        if not any(title.startswith(joined) for title in waiting):
            break
    return 0, ""


def letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def ends_paragraph(line: str, width: int) -> bool:
    return len(line) < SHORT_LINE * width and line.endswith(ENDS)


def paragraph(lines: Lines, page: int, words: set[str]) -> Iterator[Block]:
    """Lines as one text. A word that was parted at the end of a line is joined where the document has it whole elsewhere."""
    text = ""
    for line in lines:
        tidy = " ".join(line.split())
        parted = re.search(r"([^\W\d_]+)-$", text)
        follows = re.match(r"[^\W\d_]+", tidy)
        if parted and follows and follows.group()[0].islower():
            whole = (parted.group(1) + follows.group()).lower() in words
            text = (text[:-1] if whole else text) + tidy
        else:
            text = f"{text} {tidy}".strip()
    if letters(text):
        yield Block(text, 0, page)
