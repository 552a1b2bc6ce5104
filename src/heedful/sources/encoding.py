"""The bytes of a file in; its first part as text, its encoding, and its lines out. What no text file can be is refused here.

UTF-8 with or without a byte-order mark is the rule; stray bytes in it are read as Windows-1252, so that plain Windows-1252 and
files of mixed encodings come out right. UTF-16 and UTF-32 are known by their byte-order mark. Dense text in another code page
(Cyrillic, Hebrew, Arabic, Chinese, Japanese, Korean) is guessed by charset-normalizer; `Source.encoding` tells the guess. Other
old code pages (Polish, Turkish, Greek) cannot be told apart safely and come out wrong: such a file must be saved as UTF-8.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import charset_normalizer
from ftfy import bad_codecs

from heedful.errors import Place, SourceError

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
    (b"PK\x03\x04", "a zip archive or an Office workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
)
CODE_PAGES = ["cp1251", "koi8_r", "cp1255", "cp1256", "gb18030", "big5", "cp932", "cp949"]
SAVE_AS_TEXT = "save it as CSV (UTF-8) or JSON Lines and import that"
STRAY_BYTES = "heedful-stray-bytes"

bad_codecs.ok()  # registers sloppy-windows-1252, which has a character for every byte


def read_stray_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("sloppy-windows-1252"), error.end


codecs.register_error(STRAY_BYTES, read_stray_bytes)


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a file. `whole`: there is no more."""

    path: Path
    encoding: str
    text: str
    whole: bool

    @property
    def first_line(self) -> str:
        """The first line that is not blank."""
        return self.text.lstrip().partition("\n")[0].rstrip()


def inspect(path: Path) -> Head:
    """Raises SourceError for what is no text file: missing, a directory, unreadable, empty, binary, undecodable."""
    try:
        refuse_no_file(path)
        with path.open("rb") as stream:
            head = stream.read(HEAD)
        encoding = find_encoding(path, head)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", Place(path), "check its name and its permissions") from None
    text = codecs.getincrementaldecoder(encoding)(stray(encoding)).decode(head)
    return Head(path, encoding, text, whole=len(head) < HEAD)


def refuse_no_file(path: Path) -> None:
    if path.is_dir():
        raise SourceError("is a directory, not a file", Place(path), "name one file of conversations")
    if not path.exists():
        raise SourceError("there is no such file", Place(path), "check the path")
    if not path.is_file():
        raise SourceError("is no ordinary file", Place(path), "write it to a file and import that")


def find_encoding(path: Path, head: bytes) -> str:
    """The name of a Python codec that decodes the whole file."""
    encoding = next((name for mark, name in MARKS if head.startswith(mark)), None)
    if encoding is None:
        refuse_binary(path, head)
    blank, valid, sample = scan(path)
    if blank:
        raise SourceError("is empty", Place(path), "choose a file with conversations in it")
    if encoding is None:
        encoding = UTF8 if valid or is_western(sample) else guess(sample)
    if encoding is None or (encoding != UTF8 and not decodes(path, encoding)):
        raise SourceError("is neither UTF-8 nor another encoding that can be told", Place(path), SAVE_AS_TEXT)
    return encoding


def refuse_binary(path: Path, head: bytes) -> None:
    named = next((name for magic, name in MAGIC if head.startswith(magic)), None)
    if named is not None:
        raise SourceError(f"is {named}, not text", Place(path), SAVE_AS_TEXT)
    start = head[:SAMPLE]
    if start and len(CONTROL.findall(start)) / len(start) > MAX_CONTROL:
        raise SourceError("is a binary file, not text", Place(path), SAVE_AS_TEXT)


def scan(path: Path) -> tuple[bool, bool, bytes]:
    """One pass: is there nothing but white space, is all of it UTF-8, and lines with other characters than ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    blank, valid, sample = True, True, b""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            blank = blank and not chunk.removeprefix(codecs.BOM_UTF8).strip()
            if len(sample) < SAMPLE and not chunk.isascii():
                sample += b"\n".join(line for line in chunk.split(b"\n") if not line.isascii())[:SAMPLE]
            valid = valid and feed(decoder, chunk)
    return blank, valid and feed(decoder, b"", final=True), sample


def feed(decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


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


def decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            if not feed(decoder, chunk):
                return False
    return feed(decoder, b"", final=True)


def stray(encoding: str) -> str:
    """The error handler of an encoding: only UTF-8 is read leniently, every other was checked to the last byte."""
    return STRAY_BYTES if encoding == UTF8 else "strict"


def open_text(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding, errors=stray(encoding), newline="")


def read_lines(path: Path, encoding: str) -> Iterator[tuple[int, str | None]]:
    """Line numbers from 1 and lines with their ends. A line of more than MAX_LINE characters is None and costs no memory."""
    with open_text(path, encoding) as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            yield number, None if len(line) == MAX_LINE and not ends(line) else line
            while len(line) == MAX_LINE and not ends(line):
                line = stream.readline(MAX_LINE)


def ends(line: str) -> bool:
    return line.endswith(("\n", "\r"))
