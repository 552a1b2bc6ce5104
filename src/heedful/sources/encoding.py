"""The bytes of a part in; its first text, its encoding, and its lines out. What no text file can be is refused here.

UTF-8 with or without a byte-order mark is the rule; stray bytes in it are read as Windows-1252, so that plain Windows-1252 and
files of mixed encodings come out right. UTF-16 and UTF-32 are known by their byte-order mark. Dense text in another code page
(Cyrillic, Hebrew, Arabic, Chinese, Japanese, Korean) is guessed by charset-normalizer; `Records.encoding` tells the guess. Other
old code pages (Polish, Turkish, Greek) cannot be told apart safely and come out wrong: such a file must be saved as UTF-8.
"""

import codecs
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import charset_normalizer
from ftfy import bad_codecs

from heedful.errors import Place
from heedful.sources.parts import Part, reasons_told
from heedful.sources.refusals import SAVE_AS_TEXT, UnknownFormat
from heedful.sources.rows import BadRow, Fields, Record, Records

UTF8 = "utf-8-sig"
HEAD = 1 << 20  # bytes that detection looks at
MAX_LINE = 1 << 20  # characters; a longer line is no row of conversations
CHUNK = 1 << 20  # bytes read at a time
SAMPLE = 1 << 16  # bytes of lines with other characters than ASCII, from which an encoding is guessed
MAX_CONTROL = 0.05  # share of control bytes from which on a file is binary
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAGIC = (
    (b"PK\x03\x04", "an Office workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"%PDF-", "a PDF document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
)
REPLACEMENT = "\ufffd"
CODE_PAGES = ["cp1251", "koi8_r", "cp1255", "cp1256", "gb18030", "big5", "cp932", "cp949"]
STRAY_BYTES = "heedful-stray-bytes"

bad_codecs.ok()  # registers sloppy-windows-1252, which has a character for every byte


def read_stray_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("sloppy-windows-1252"), error.end


codecs.register_error(STRAY_BYTES, read_stray_bytes)


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a file. `whole`: there is no more. `noted` says what had to be done to read it."""

    part: Part
    encoding: str
    text: str
    whole: bool
    noted: dict[str, int]

    @property
    def path(self) -> Path:
        return self.part.path

    @property
    def first_line(self) -> str:
        """The first line that is not blank."""
        return self.text.lstrip().partition("\n")[0].rstrip()


@dataclass(frozen=True, slots=True)
class Scan:
    """All bytes, looked at once: `blank` is nothing but white space, `strays` counts places that are not UTF-8."""

    blank: bool
    strays: int
    sample: bytes


def inspect(part: Part) -> Head:
    """Raises UnknownFormat for what is no text file: empty, binary, undecodable; SourceError for what cannot be read."""
    with reasons_told(part.path):
        with part.open() as stream:
            head = stream.read(HEAD)
        marked = next((name for mark, name in MARKS if head.startswith(mark)), None)
        if marked is None:
            refuse_binary(part.path, head)
        encoding, strays = find_encoding(part, marked)
    text = codecs.getincrementaldecoder(encoding)(stray(encoding)).decode(head)
    return Head(part, encoding, text, whole=len(head) < HEAD, noted=notes(head, encoding, strays))


def find_encoding(part: Part, marked: str | None) -> tuple[str, int]:
    """The name of a Python codec that decodes the whole part, and in how many places it is not UTF-8."""
    scan = scan_bytes(part)
    if scan.blank:
        raise UnknownFormat("is empty", Place(part.path), "choose a file with conversations in it")
    encoding = marked
    if encoding is None:
        encoding = UTF8 if not scan.strays or is_western(scan.sample) else guess(scan.sample)
    if encoding is None or (encoding != UTF8 and not decodes(part, encoding)):
        raise UnknownFormat("is neither UTF-8 nor another encoding that can be told", Place(part.path), SAVE_AS_TEXT)
    return encoding, scan.strays


def notes(head: bytes, encoding: str, strays: int) -> dict[str, int]:
    """What was done to the bytes, for the report."""
    if encoding != UTF8:
        return {f"files read as {encoding}": 1}
    marked = {"byte-order marks taken off": 1} if head.startswith(codecs.BOM_UTF8) else {}
    return marked | ({"places read as Windows-1252": strays} if strays else {})


def refuse_binary(path: Path, head: bytes) -> None:
    named = next((name for magic, name in MAGIC if head.startswith(magic)), None)
    if named is not None:
        raise UnknownFormat(f"is {named}, not text", Place(path), SAVE_AS_TEXT)
    start = head[:SAMPLE]
    if start and len(CONTROL.findall(start)) / len(start) > MAX_CONTROL:
        raise UnknownFormat("is a binary file, not text", Place(path), SAVE_AS_TEXT)


def scan_bytes(part: Part) -> Scan:
    """One pass; the sample is lines with other characters than ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    blank, strays, sample, tail = True, 0, b"", b""
    with part.open() as stream:
        while chunk := stream.read(CHUNK):
            blank = blank and not chunk.removeprefix(codecs.BOM_UTF8).strip()
            text = decoder.decode(chunk)
            strays += text.count(REPLACEMENT) - (tail + chunk).count(REPLACEMENT.encode())
            if len(sample) < SAMPLE and not chunk.isascii():
                sample += b"\n".join(line for line in chunk.split(b"\n") if not line.isascii())[:SAMPLE]
            tail = chunk[-2:]  # a replacement character that was there before may be cut by the end of a chunk
    return Scan(blank, strays + decoder.decode(b"", final=True).count(REPLACEMENT), sample)


def is_western(sample: bytes) -> bool:
    """UTF-8 with some stray bytes, or Windows-1252, whose other characters stand alone between ASCII letters."""
    text = sample.decode("utf-8", errors="replace")
    strays = text.count("\ufffd")
    others = sum(not character.isascii() for character in text) - strays
    in_runs = sum(map(len, re.findall(rb"[\x80-\xff]{3,}", sample)))
    high = sum(byte > 0x7F for byte in sample)
    return others > strays or in_runs * 2 < high


def guess(sample: bytes) -> str | None:
    best = charset_normalizer.from_bytes(sample, cp_isolation=CODE_PAGES).best()
    return None if best is None else best.encoding


def decodes(part: Part, encoding: str) -> bool:
    with io.TextIOWrapper(part.open(), encoding=encoding) as stream:
        try:
            while stream.read(CHUNK):
                pass
        except UnicodeDecodeError:
            return False
    return True


def stray(encoding: str) -> str:
    """The error handler of an encoding: only UTF-8 is read leniently, every other was checked to the last byte."""
    return STRAY_BYTES if encoding == UTF8 else "strict"


def text_records(
    head: Head, container: str, sample: Sequence[Fields], read: Callable[[], Iterator[Record | BadRow]], sure: bool = True
) -> Records:
    """Records of a text file; their names are the keys of the first ones."""
    names = tuple(dict.fromkeys(name for row in sample for name in row))
    return Records(head.path, container, names, tuple(sample), read, head.part.digest, head.encoding, head.noted, head.part, sure)


def open_text(part: Part, encoding: str) -> TextIO:
    return io.TextIOWrapper(part.open(), encoding=encoding, errors=stray(encoding), newline="")


def read_lines(part: Part, encoding: str) -> Iterator[tuple[int, str | None]]:
    """Line numbers from 1 and lines with their ends. A line of more than MAX_LINE characters is None and costs no memory."""
    with open_text(part, encoding) as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            yield number, None if len(line) == MAX_LINE and not ends(line) else line
            while len(line) == MAX_LINE and not ends(line):
                line = stream.readline(MAX_LINE)


def ends(line: str) -> bool:
    return line.endswith(("\n", "\r"))
