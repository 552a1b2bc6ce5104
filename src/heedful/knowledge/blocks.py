"""What a document comes to, whatever its format: headings and paragraphs in their order, each with the page it stands on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """`level` 0 is a paragraph, 1 to 6 are headings. `page` counts from 1; None where a format has no pages."""

    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """`pages` is None where a format has none."""

    title: str
    blocks: tuple[Block, ...]
    pages: int | None = None


class Unreadable(Exception):  # noqa: N818 - a property of the file
    """One clause that says what is wrong with a file; it never quotes the file."""
