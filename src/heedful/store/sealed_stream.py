"""Sealed stream: bytes of any length in; the same bytes encrypted, in frames that can be neither changed, swapped nor cut off, out.

    MAGIC, salt, then frames of ciphertext and tag

AES-256-GCM with a key derived for this stream alone (HKDF-SHA256 of the master key and a random salt). The nonce of a frame is its
number and whether it is the last one (the STREAM construction, https://eprint.iacr.org/2015/189), so a frame fits in one place.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from heedful.errors import StoreError

MAGIC = b"heedful backup 1\n"
SALT_BYTES, FRAME_BYTES, TAG_BYTES = 16, 2**20, 16


class SealingWriter:
    """A file to write to; `close` writes the last frame. What is not closed does not open again."""

    def __init__(self, stream: BinaryIO, master: bytes) -> None:
        salt = os.urandom(SALT_BYTES)
        stream.write(MAGIC + salt)
        self._stream, self._key = stream, derive(master, salt)
        self._waiting, self._number = bytearray(), 0

    def write(self, content: bytes) -> int:
        self._waiting += content
        while len(self._waiting) > FRAME_BYTES:  # one byte at least is kept for the last frame
            self._frame(bytes(self._waiting[:FRAME_BYTES]), last=False)
            del self._waiting[:FRAME_BYTES]
        return len(content)

    def close(self) -> None:
        self._frame(bytes(self._waiting), last=True)

    def _frame(self, content: bytes, last: bool) -> None:
        self._stream.write(self._key.encrypt(nonce(self._number, last), content, MAGIC))
        self._number += 1


class UnsealingReader:
    """A file to read from. Raises StoreError for another key and for bytes that were changed or cut off."""

    def __init__(self, stream: BinaryIO, master: bytes, origin: str) -> None:
        if stream.read(len(MAGIC)) != MAGIC:
            raise StoreError(f"{origin} is no backup of Heedful", "name a file that heedful backup wrote")
        self._frames = unseal_frames(stream, derive(master, stream.read(SALT_BYTES)), origin)
        self._frame, self._at = b"", 0

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        wanted = size
        while size < 0 or wanted > 0:
            if self._at == len(self._frame):
                self._frame, self._at = next(self._frames, b""), 0
                if not self._frame:
                    break
            part = self._frame[self._at :] if size < 0 else self._frame[self._at : self._at + wanted]
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)


def unseal_frames(stream: BinaryIO, key: AESGCM, origin: str) -> Iterator[bytes]:
    number, frame = 0, stream.read(FRAME_BYTES + TAG_BYTES)
    while True:
        following = stream.read(FRAME_BYTES + TAG_BYTES)
        try:
            yield key.decrypt(nonce(number, not following), frame, MAGIC)
        except (InvalidTag, ValueError):
            problem = (
                "does not open with this master key, or its beginning was changed" if number == 0 else "was changed or cut off"
            )
            raise StoreError(f"{origin} {problem}", "use the key of the time of the backup, or another backup") from None
        if not following:
            return
        number, frame = number + 1, following


def derive(master: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=MAGIC).derive(master))


def nonce(number: int, last: bool) -> bytes:
    return struct.pack(">QI", number, int(last))
