"""Markdown or plain text in; its blocks out. HTML and DOCX come this way too, once they are Markdown."""

import re
from collections.abc import Iterator

from heedful.knowledge.blocks import Block, Parsed

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$")
UNDERLINE = re.compile(r"^ {0,3}(=+|-{3,})[ \t]*$")
FENCE = re.compile(r"^ {0,3}(```|~~~)")
IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
LINK = re.compile(r"\[([^\]]+)\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)")


def parse_markdown(text: str, fallback_title: str) -> Parsed:
    """The title is the front matter's, else the first heading of the highest level that occurs, else `fallback_title`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    front = FRONT_MATTER.match(text)
    titled = FRONT_TITLE.search(front.group(1)) if front else None
    body = COMMENT.sub("", text[front.end() :] if front else text)
    blocks = tuple(markdown_blocks(body.split("\n")))
    headings = [block for block in blocks if block.level]
    top = min((block.level for block in headings), default=0)
    first = next((block.text for block in headings if block.level == top), fallback_title)
    return Parsed(titled.group(1) if titled else first, blocks)


def parse_plain(text: str, title: str) -> Parsed:
    """Paragraphs are what blank lines divide."""
    parts = re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    return Parsed(title, tuple(Block(" ".join(part.split())) for part in parts if part.strip()))


def markdown_blocks(lines: list[str]) -> Iterator[Block]:
    """Lists keep their lines: a list is one paragraph, and where it is too long it is cut between two of them."""
    held: list[str] = []
    fenced = False
    for line in lines:
        if FENCE.match(line):
            fenced = not fenced
            continue
        heading = None if fenced else HEADING.match(line)
        underline = None if fenced or len(held) != 1 else UNDERLINE.match(line)
        if underline:
            yield from as_heading(held.pop(), 1 if underline.group(1)[0] == "=" else 2)
        elif heading or not line.strip():
            yield from as_paragraph(held)
            held = []
            if heading:
                yield from as_heading(heading.group(2), len(heading.group(1)))
        else:
            held.append(line.strip())
    yield from as_paragraph(held)


def as_heading(text: str, level: int) -> Iterator[Block]:
    if tidy := without_marks(text):
        yield Block(tidy, level)


def as_paragraph(lines: list[str]) -> Iterator[Block]:
    if tidy := "\n".join(filter(None, map(without_marks, lines))):
        yield Block(tidy)


def without_marks(text: str) -> str:
    """Links and images become their words; emphasis loses its stars. Addresses of links are of no use to a reader of a passage."""
    text = LINK.sub(r"\1", IMAGE.sub(r"\1", text))
    return " ".join(re.sub(r"(\*\*|__|`)", "", text).split())
