"""A file that this process has mapped in; its pages out of the process's memory. Whoever asks for one again gets it read again.

`MADV_DONTNEED` of read-only mappings, not `MADV_PAGEOUT`: the kernel may decline to page out (a page not yet written back, a file
of another owner, a file system in memory), and a read-only mapping holds nothing that the file doesn't.
"""

import ctypes
from pathlib import Path

DONT_NEED = 4  # of Linux's mman.h
MAPS = Path("/proc/self/maps")


def leave_memory(path: Path) -> int:
    """How many bytes were mapped read-only. Nothing, and no fault, on other systems than Linux."""
    if not MAPS.is_file():
        return 0
    library, total, wanted = ctypes.CDLL(None), 0, [str(path.resolve())]
    for line in MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        addresses, rights, _, _, _, *name = line.split(maxsplit=5)
        if name == wanted and rights[1] == "-":
            low, high = (int(address, 16) for address in addresses.split("-"))
            library.madvise(ctypes.c_void_p(low), ctypes.c_size_t(high - low), DONT_NEED)
            total += high - low
    return total
