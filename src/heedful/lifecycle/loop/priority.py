"""Priority: this process and all it starts, put behind whatever serves people.

A server that shares two cores with a training loses no more than what both take of the memory's bandwidth: the scheduler gives a
process of niceness 19 a seventieth of a core while another one wants it, and its disk requests wait for all others. What niceness
cannot mend is that a thread of ours holds a core for some milliseconds when a request comes; so half of the cores are left alone.
"""

import os
from contextlib import suppress

import psutil

LOWEST = 19


def step_back(threads: int | None) -> int:
    """To be called before torch is loaded. Returns the threads that torch and OpenVINO will take."""
    os.nice(LOWEST)  # what is more than the lowest counts as the lowest
    with suppress(AttributeError, OSError, psutil.Error):  # Linux only
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    taken = max(1, cores() // 2) if threads is None else threads
    os.environ["OMP_NUM_THREADS"] = str(taken)
    return taken


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
