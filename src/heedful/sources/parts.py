"""Parts: a file under a name in; its bytes, from the beginning, as often as wanted, out, and how far the last reading came."""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from heedful.errors import Place, SourceError

BUFFER = 1 << 16  # bytes


@dataclass(slots=True)
class Part:
    """`path` is what messages call it: of a file in an archive, the path of the archive and the name inside."""

    path: Path
    opener: Callable[[], BinaryIO]
    size: int
    position: int = 0

    def open(self) -> io.BufferedReader:
        return io.BufferedReader(Watched(self), BUFFER)

    def starts_with(self, magic: bytes, at: int = 0) -> bool:
        with self.open() as stream:
            stream.seek(at)
            return stream.read(len(magic)) == magic

    def digest(self) -> str:
        with self.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


class Watched(io.RawIOBase):
    """The bytes of a part; reading them moves the part's position."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part, self._stream = part, part.opener()
        part.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._part.position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._part.position = self._stream.seek(offset, whence)
        return self._part.position

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


def is_folder(path: Path) -> bool:
    with reasons_told(path):
        return path.is_dir()


def file_part(path: Path) -> Part:
    """Raises SourceError for what is no file that can be read."""
    with reasons_told(path):
        if not path.exists():
            raise SourceError("there is no such file", Place(path), "check the path")
        if not path.is_file():
            raise SourceError("is no ordinary file", Place(path), "write it to a file and import that")
        path.open("rb").close()
        return Part(shown(path), lambda: path.open("rb"), path.stat().st_size)


def shown(path: Path) -> Path:
    """A path as it can be printed and stored: bytes that are no text and control characters are question marks."""
    return Path("".join(character if character.isprintable() else "?" for character in str(path)))


@contextmanager
def reasons_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", Place(path), "check its name and its permissions") from None
