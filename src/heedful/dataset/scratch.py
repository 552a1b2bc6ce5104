"""Scratch: texts and signatures of a build in, out of memory; read back by number.

What a build must remember of every conversation grows with their number, so it lies in files without a name, the texts sealed with
a key that only this process has: when the process ends, however it ends, nothing of it can be found or read.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from heedful.dataset.sketch import VALUES
from heedful.store.cipher import Key, new_key, seal, unseal

ROWS_READ = 4_096  # signatures read at once
ROW_BYTES = VALUES * 2


class Texts:
    """Numbered from 0 in the order in which they are added."""

    def __init__(self, folder: Path) -> None:
        self.key = Key(new_key())
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self.ends = np.zeros(1, np.int64)
        self.count = 0

    def add(self, text: str) -> None:
        sealed = seal(self.key, text.encode(), str(self.count))
        self.count += 1
        if self.count == len(self.ends):
            self.ends = np.resize(self.ends, 2 * len(self.ends))
        self.ends[self.count] = self.ends[self.count - 1] + len(sealed)
        self.file.write(sealed)

    def read(self, number: int) -> str:
        self.file.flush()
        start, end = self.ends[number], self.ends[number + 1]
        return unseal(self.key, os.pread(self.file.fileno(), end - start, start), str(number)).decode()

    def close(self) -> None:
        self.file.close()


class Signatures:
    """Rows of `VALUES` numbers. They are hashes, so they need no seal."""

    def __init__(self, folder: Path) -> None:
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self.count = 0

    def add(self, signature: bytes) -> None:
        self.file.write(signature)
        self.count += 1

    def blocks(self) -> Iterator[NDArray[np.uint16]]:
        """[at most ROWS_READ, VALUES] All rows, in order."""
        self.file.flush()
        for start in range(0, self.count, ROWS_READ):
            rows = min(ROWS_READ, self.count - start)
            yield self.decode(os.pread(self.file.fileno(), rows * ROW_BYTES, start * ROW_BYTES))

    def rows(self, numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint16]:
        """[numbers, VALUES]"""
        self.file.flush()
        read = (os.pread(self.file.fileno(), ROW_BYTES, int(number) * ROW_BYTES) for number in numbers)
        return self.decode(b"".join(read))

    @staticmethod
    def decode(rows: bytes) -> NDArray[np.uint16]:
        return np.frombuffer(rows, dtype=np.uint16).reshape(-1, VALUES)

    def close(self) -> None:
        self.file.close()


class Scratch:
    """The opening question of every conversation, and the signatures of it and of the whole."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.openings = Texts(folder)
        self.opening_signatures = Signatures(folder)
        self.whole_signatures = Signatures(folder)

    def add(self, opening: str, opening_signature: bytes, whole_signature: bytes) -> None:
        self.openings.add(opening)
        self.opening_signatures.add(opening_signature)
        self.whole_signatures.add(whole_signature)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for part in (self.openings, self.opening_signatures, self.whole_signatures):
            part.close()
