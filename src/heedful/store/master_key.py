"""Master key: the directory of a workspace in; the one key that opens all others out, from the environment or from a file.

`HEEDFUL_MASTER_KEY` comes first: a key that lies elsewhere protects a stolen disk too. Without it the key is in `master.key` beside
the database, readable by its owner only: that protects a copied database or backup, not a copied directory.
"""

import base64
import binascii
import os
from pathlib import Path

from heedful.config import read_secret
from heedful.errors import StoreError
from heedful.store.cipher import KEY_BYTES, new_key
from heedful.workspace import ASIDE

KEY_FILE = "master.key"
NEXT_FILE = ".next-master.key"  # the key that a rotation is about to make the master
VARIABLE, NEXT_VARIABLE = "HEEDFUL_MASTER_KEY", "HEEDFUL_NEXT_MASTER_KEY"
OWNER_ONLY = 0o600


def encode(key: bytes) -> str:
    """URL-safe base64, 44 characters."""
    return base64.urlsafe_b64encode(key).decode()


def decode(text: str, origin: str) -> bytes:
    """Raises StoreError, which never quotes the value."""
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"{origin} is no master key: it must be {KEY_BYTES} bytes in URL-safe base64", "heedful vault new-key prints one"
        )
    return key


def candidates(root: Path) -> list[tuple[str, bytes]]:
    """(where it is, key) of every key that may be the master: the environment's alone, or the file and what a rotation left."""
    given = read_secret(VARIABLE)
    if given is not None:
        return [(VARIABLE, decode(given, VARIABLE))]
    files = [path for path in (root / KEY_FILE, root / NEXT_FILE) if path.is_file()]
    return [(str(path), decode(path.read_text(encoding="ascii", errors="replace"), str(path))) for path in files]


def find_or_make(root: Path) -> bytes:
    """The master key of a new vault; a file is made where nothing else gives one."""
    if not candidates(root):
        try:
            write_key(root / KEY_FILE, new_key())
        except OSError as error:
            raise StoreError(f"{root / KEY_FILE} cannot be written: {error.strerror}", f"set {VARIABLE}, or chmod {root}") from None
    return candidates(root)[0][1]


def write_key(path: Path, key: bytes) -> None:
    """Write aside, sync, rename: a file that is whole, and that nobody but its owner could ever read."""
    aside = path.with_name(f"{ASIDE}{path.name}-{os.getpid()}")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(encode(key) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


def is_open_to_others(path: Path) -> bool:
    """Whether group or world may read or write the file."""
    return bool(path.stat().st_mode & 0o077)
