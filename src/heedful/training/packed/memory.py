"""Memory: a `with` block in which the C library keeps freed memory for the next step, instead of giving it back to the system.

Every step frees and wants the same hundreds of megabytes. By default glibc maps large blocks afresh each time, and the system
clears each page at its first touch: up to a tenth of a step at half a billion parameters. Peak memory grows by a few percent.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
NEVER, LARGEST = -1, 1 << 30
USUAL_TRIM, USUAL_MMAP = 64 << 20, 32 << 20  # where glibc's own adjustment ends up after the first large block was freed


@contextmanager
def kept_memory() -> Iterator[None]:
    """Changes nothing where the C library is not glibc. Behind the block, what is free goes back to the system."""
    library = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if library is not None:
        library.mallopt(MMAP_THRESHOLD, LARGEST)
        library.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        if library is not None:
            library.mallopt(MMAP_THRESHOLD, USUAL_MMAP)
            library.mallopt(TRIM_THRESHOLD, USUAL_TRIM)
            library.malloc_trim(0)
