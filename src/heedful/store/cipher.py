"""Cipher: a key, bytes and the place they belong to, in; sealed bytes out, and back. AES-256-GCM (NIST SP 800-38D).

Every sealing takes a fresh random nonce. The place, for instance "message:FINGERPRINT:0:2:user", is authenticated but not
stored: a sealed text that was moved to another row, or changed, does not open.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heedful.errors import StoreError

KEY_BYTES, NONCE_BYTES = 32, 12
FORMAT = b"\x01"  # first byte of all that is sealed, so that another cipher can follow one day

Key = AESGCM


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def seal(key: Key, content: bytes, place: str) -> bytes:
    """Format byte, nonce, ciphertext, tag: 29 bytes longer than `content`."""
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + key.encrypt(nonce, content, place.encode())


def unseal(key: Key, sealed: bytes, place: str) -> bytes:
    """Raises StoreError when the key is another one, or when the bytes were changed or belong to another place."""
    try:
        if sealed[:1] != FORMAT:
            raise InvalidTag
        return key.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], place.encode())
    except (InvalidTag, ValueError):
        raise StoreError(
            f"{place.partition(':')[0]}: what is sealed there does not open; it was changed, or moved from another row",
            "restore the database from a backup",
        ) from None
