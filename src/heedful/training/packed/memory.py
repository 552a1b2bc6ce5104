"""Memory: what the C library and the system do with ours, told what we know. Numbers never change.

`kept_memory` is a `with` block in which the C library keeps freed memory for the next step, instead of giving it back. Every step
frees and wants the same hundreds of megabytes. By default glibc maps large blocks afresh each time, and the system clears each page
at its first touch: a quarter of a step at half a billion parameters. Peak memory grows by a tenth.

`let_go` tells the system that pages of a base's file, mapped when it was loaded, were read for the last time.
"""

import ctypes
import mmap
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
NEVER, LARGEST = -1, 1 << 30
PAGE_OUT = 21  # of Linux's mman.h: pages of a mapped file leave memory, and are read again should anybody ask
MAPS = Path("/proc/self/maps")
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


def let_go(tensors: Sequence[Tensor]) -> None:
    """Does nothing for what does not lie in a mapped file, nor on other systems than Linux."""
    if not MAPS.is_file() or not tensors:
        return
    files, library, page = file_mappings(), ctypes.CDLL(None), mmap.PAGESIZE
    for tensor in tensors:
        start, stop = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
        if tensor.device.type == "cpu" and any(low <= start and stop <= high for low, high in files):
            first = -(-start // page) * page
            library.madvise(ctypes.c_void_p(first), ctypes.c_size_t(max(0, stop // page * page - first)), PAGE_OUT)


def file_mappings() -> list[tuple[int, int]]:
    found = []
    for line in MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        addresses, _, _, _, inode, *_ = line.split()
        if inode != "0":
            low, high = (int(address, 16) for address in addresses.split("-"))
            found.append((low, high))
    return found
