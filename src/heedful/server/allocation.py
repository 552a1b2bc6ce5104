"""Allocation: how the C library hands out memory to a server that runs for months; nothing in, nothing out. Linux with glibc only.

Left alone, glibc stops giving large pieces back after the first of them was freed, and has eight heaps a core. Under load, buffers
of ever other sizes then tear holes that nobody fills: the server grew by 145 MB a minute of hard work (docs/log.md).
"""

import ctypes

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1  # of malloc.h
LARGE = 256 * 1024  # bytes; a piece of that size is mapped by itself and goes back to the system when it is freed


def keep_memory_steady() -> bool:
    """Whether the C library could be told. Before threads are started, or their heaps are there already."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    settings = ((ARENA_MAX, 2), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE))
    return all(library.mallopt(option, value) == 1 for option, value in settings)
