"""Archives: a zip or tar archive, or a compressed file, in; the files in it as parts, one after the other, out.

Nothing is written under a name that an archive chose: a file is unpacked into memory or a nameless temporary file, so a crash
leaves nothing. An archive that unpacks to far more than its size, leads outside of itself or hides further archives is refused.
"""

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast

from heedful.errors import Place, SourceError
from heedful.sources.parts import Part, shown
from heedful.sources.refusals import SAVE_AS_TEXT, UnknownFormat

COMPRESSED: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", lambda stream: cast(IO[bytes], gzip.GzipFile(fileobj=stream))),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
)
ZIP, TAR, TAR_AT = b"PK\x03\x04", b"ustar", 257
OFFICE = {"[Content_Types].xml", "mimetype"}  # what workbooks and documents have inside
IN_MEMORY = 1 << 24  # bytes of a file that need no temporary file
FREE = 100 << 20  # bytes to which everything may unpack
MAX_RATIO = 200  # times its size to which a larger one may; real chats reach 10
MAX_FILES = 100_000
DRIVE = re.compile(r"[A-Za-z]:")
CHUNK = 1 << 20
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
UNPACK = "unpack it yourself and import what is inside"


@dataclass(slots=True)
class Budget:
    """How many bytes may still be unpacked from one file, archives inside included."""

    left: int

    def spend(self, size: int, path: Path) -> None:
        self.left -= size
        if self.left < 0:
            raise SourceError(f"unpacks to more than {MAX_RATIO} times its size", Place(path), UNPACK)


class View(io.RawIOBase):
    """One reader of a temporary file; each has its own place in it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file, self._at = file, 0

    def read(self, size: int = -1) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(self._at)
        self._at = self._file.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at


def is_archive(part: Part) -> bool:
    return part.starts_with(ZIP) or part.starts_with(TAR, TAR_AT)


def unpacked(part: Part, passed: Counter[str], budget: Budget | None = None, inside: bool = False) -> Iterator[tuple[Part, bool]]:
    """Files and whether an archive holds them; what is none comes back as it is. A part can be read until the next is asked for.

    `passed` counts links and hidden files. Raises SourceError for an archive that is damaged, locked, or no good.
    """
    budget = Budget(max(FREE, part.size * MAX_RATIO)) if budget is None else budget
    opener = next((opener for magic, opener in COMPRESSED if part.starts_with(magic)), None)
    if opener is not None:
        with spooled(partial(decompressed, part, opener), part.path, budget) as inner:
            yield from unpacked(inner, passed, budget, inside)
    elif not is_archive(part):
        yield part, inside
    elif inside:
        raise SourceError("is an archive inside an archive", Place(part.path), UNPACK)
    else:
        members = zip_members if part.starts_with(ZIP) else tar_members
        for member in members(part, passed, budget):
            yield from unpacked(member, passed, budget, inside=True)


def decompressed(part: Part, opener: Callable[[IO[bytes]], IO[bytes]]) -> IO[bytes]:
    return opener(part.open())


def zip_members(part: Part, passed: Counter[str], budget: Budget) -> Iterator[Part]:
    with part.open() as stream, read_zip(stream, part.path) as archive:
        if not OFFICE.isdisjoint(archive.namelist()):
            raise UnknownFormat("is an Office document, not text", Place(part.path), SAVE_AS_TEXT)
        check_count(len(archive.namelist()), part.path)
        for entry in archive.infolist():
            path = path_inside(part.path, entry.filename)
            if entry.is_dir() or is_hidden(entry.filename, passed):
                continue
            if entry.flag_bits & 1:
                raise SourceError("is locked with a password", Place(path), UNPACK)
            with spooled(partial(archive.open, entry), path, budget) as inner:
                yield inner


def read_zip(stream: IO[bytes], path: Path) -> zipfile.ZipFile:
    with damage_told(path):
        return zipfile.ZipFile(stream)


def tar_members(part: Part, passed: Counter[str], budget: Budget) -> Iterator[Part]:
    """Members are read where they lie; only their sizes are believed, after a look at the size of the whole."""
    with part.open() as stream, read_tar(stream, part.path) as archive:
        for count, entry in enumerate(entries_of(archive, part.path), 1):
            check_count(count, part.path)
            path = path_inside(part.path, entry.name)
            if entry.isdir() or is_hidden(entry.name, passed):
                continue
            if not entry.isreg():
                passed["links and devices in an archive"] += 1
                continue
            budget.spend(entry.size, part.path)
            if entry.offset_data + entry.size > part.size and not entry.issparse():
                raise damaged(part.path)
            yield Part(path, partial(member_of, archive, entry), entry.size)


def read_tar(stream: IO[bytes], path: Path) -> tarfile.TarFile:
    with damage_told(path):
        return tarfile.open(fileobj=stream, mode="r:")


def entries_of(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    while True:
        with damage_told(path):
            entry = archive.next()
        if entry is None:
            return
        yield entry


def member_of(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> BinaryIO:
    stream = archive.extractfile(entry)
    assert stream is not None, "only regular files get here"
    return cast(BinaryIO, stream)


@contextmanager
def spooled(opener: Callable[[], IO[bytes]], path: Path, budget: Budget) -> Iterator[Part]:
    """A stream that can be read once, kept so that it can be read often. The temporary file has no name."""
    with SpooledTemporaryFile(IN_MEMORY) as file:
        with damage_told(path), opener() as stream:
            while chunk := stream.read(CHUNK):
                budget.spend(len(chunk), path)
                file.write(chunk)
        yield Part(path, lambda: cast(BinaryIO, View(file)), file.tell())


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN:
        raise damaged(path) from None


def damaged(path: Path) -> SourceError:
    return SourceError("is compressed, but damaged", Place(path), "is the file complete? fetch it again")


def path_inside(archive: Path, name: str) -> Path:
    """What messages call a file in an archive. Raises SourceError for a name that leads outside."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or DRIVE.match(name):
        raise SourceError("holds a file whose name leads outside of it", Place(archive), UNPACK)
    return shown(archive / pure)


def is_hidden(name: str, passed: Counter[str]) -> bool:
    """Files and folders that systems and tools leave behind, at any depth."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
    passed["hidden files"] += hidden
    return hidden


def check_count(count: int, path: Path) -> None:
    if count > MAX_FILES:
        raise SourceError(f"holds more than {MAX_FILES:,} files", Place(path), UNPACK)
