"""A file in; its title and blocks out. The content decides what it is; the name only tells Markdown from plain text.

This runs in a process of its own with limits (`reader`, `process`), for a file from outside may be made to do harm.
"""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from heedful.knowledge.blocks import Parsed, Unreadable
from heedful.knowledge.markdown import parse_markdown, parse_plain
from heedful.knowledge.pdf import parse_pdf

SUFFIXES = (".pdf", ".docx", ".html", ".htm", ".md", ".markdown", ".txt", ".text")
HEAD = 4_096
MAX_CONTROL = 0.02  # share of control characters from which on a file is no text
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
HTML_START = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
MOST_ENTRIES = 10_000  # of a zip archive


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may be and may take. `text_bytes` are what it unpacks to; `seconds` of the clock; `memory` of its process."""

    file_bytes: int = 50 * 2**20
    text_bytes: int = 100 * 2**20
    pages: int = 2_000
    seconds: float = 60.0
    memory: int = 4 * 2**30


def parse(path: Path, title: str, limits: Limits) -> Parsed:
    """`title` is used where the document has none. Raises Unreadable."""
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("it is empty")
    if size > limits.file_bytes:
        raise Unreadable(f"it has {size} bytes; allowed: {limits.file_bytes}")
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    if b"%PDF-" in head[:1_024]:
        return parse_pdf(path, title, limits.pages)
    if head.startswith(b"PK\x03\x04"):
        return parse_docx(path, title, limits)
    return parse_text(path, head, title, limits)


def parse_docx(path: Path, title: str, limits: Limits) -> Parsed:
    check_archive(path, limits)
    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    try:
        with path.open("rb") as stream:
            found = DocxConverter().convert(stream, StreamInfo(extension=".docx", filename=path.name))
    except Exception as error:  # mammoth and lxml raise whatever they meet
        raise Unreadable(f"it is a damaged Word document ({type(error).__name__})") from None
    return checked(parse_markdown(found.markdown, title), limits)


def check_archive(path: Path, limits: Limits) -> None:
    """Raises Unreadable for what is no Word document, or would unpack to more than is allowed."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Unreadable("it is a damaged archive") from None
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limits.text_bytes or len(entries) > MOST_ENTRIES:
        raise Unreadable(f"it unpacks to {unpacked} bytes in {len(entries)} parts; allowed: {limits.text_bytes}, {MOST_ENTRIES}")
    if "word/document.xml" not in {entry.filename for entry in entries}:
        raise Unreadable("it is an archive and no Word document; unpack it, then add the folder")


def parse_text(path: Path, head: bytes, title: str, limits: Limits) -> Parsed:
    text = decode(path.read_bytes())
    if HTML_START.match(head) or path.suffix.lower() in (".html", ".htm"):
        return checked(parse_html(text, title), limits)
    if path.suffix.lower() in (".md", ".markdown"):
        return checked(parse_markdown(text, title), limits)
    return checked(parse_plain(text, title), limits)


def parse_html(text: str, title: str) -> Parsed:
    import io

    from markitdown import StreamInfo
    from markitdown.converters import HtmlConverter

    try:
        found = HtmlConverter().convert(io.BytesIO(text.encode()), StreamInfo(charset="utf-8", extension=".html"))
    except Exception as error:  # whatever a parser of foreign pages meets
        raise Unreadable(f"it is HTML that cannot be read ({type(error).__name__})") from None
    return parse_markdown(found.markdown, (found.title or "").strip() or title)


def decode(content: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or what charset-normalizer takes it for. Raises Unreadable for what is no text."""
    import charset_normalizer

    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            best = None if b"\0" in content else charset_normalizer.from_bytes(content[: 2**20]).best()
            if best is None:
                raise Unreadable("it is no text, whatever its name says") from None
            text = content.decode(best.encoding, errors="replace")
    if len(CONTROL.findall(text)) > MAX_CONTROL * len(text):
        raise Unreadable("it is no text, whatever its name says")
    return CONTROL.sub(" ", text)


def checked(parsed: Parsed, limits: Limits) -> Parsed:
    if not any(block.level == 0 for block in parsed.blocks):
        raise Unreadable("it has no text to read")
    if sum(len(block.text) for block in parsed.blocks) > limits.text_bytes:
        raise Unreadable(f"it holds more text than {limits.text_bytes} characters")
    return parsed
