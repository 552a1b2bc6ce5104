"""Resources: a device or a directory in; what this machine has of memory, speed and disk, measured, out."""

import functools
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heedful.modeling.devices import fast_matmul
from heedful.training.container import container_room

MEASURED_S = 0.1
NEARLY = 0.05  # of the memory that a process holds or could still take
ROWS, WIDEST = 512, 2_048
NUMBERS = 1 << 24  # 64 MiB: more than any cache holds, and given back to the system each time, as activations are


def memory_there(device: str) -> int:
    """Bytes a training may take on `device`: what is free, also in a container around it, and what this process holds already."""
    import psutil
    import torch

    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved())
    available, room = int(psutil.virtual_memory().available), container_room()
    return (available if room is None else min(available, room)) + held_memory(device)


def held_memory(device: str) -> int:
    """Bytes that this process holds now."""
    import psutil
    import torch

    if device == "cuda":
        return int(torch.cuda.memory_reserved())
    return int(psutil.Process().memory_info().rss)


def memory_kills() -> int:
    """Processes that the system has killed for memory since it started; 0 where it does not count them."""
    counters = Path("/proc/vmstat")
    if not counters.exists():
        return 0
    counted = (line.split() for line in counters.read_text(encoding="ascii").splitlines())
    return next((int(value) for name, value in counted if name == "oom_kill"), 0)


def nearly_full(process: int) -> bool:
    """Whether memory is so scarce that a kill of this process is the system's, where it does not say so."""
    import psutil

    try:
        held = psutil.Process(process).memory_info().rss
    except psutil.NoSuchProcess:
        return False
    available = psutil.virtual_memory().available
    return bool(available < NEARLY * (held + available))


def peak_memory(device: str) -> int:
    """Most bytes this process ever held: of the GPU's memory on cuda, resident ones elsewhere."""
    import psutil
    import torch

    if device == "cuda":
        return int(torch.cuda.max_memory_reserved())
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kibibytes


@dataclass(frozen=True, slots=True)
class Speed:
    """`products`: operations a second of a matrix product; `fresh`: bytes a second read and written into memory just handed out."""

    products: float
    fresh: float


def speed(device: str, dtype: str, rows: int, inputs: int, outputs: int) -> Speed:
    """Of products [rows, inputs] x [inputs, outputs], measured once a process; larger ones are no faster, only longer."""
    return measure_speed(device, dtype, min(max(rows, 1), ROWS), min(inputs, WIDEST), min(outputs, WIDEST))


@functools.cache
def measure_speed(device: str, dtype: str, rows: int, inputs: int, outputs: int) -> Speed:
    import torch

    kind = getattr(torch, dtype)
    left, right = (torch.ones(size, dtype=kind, device=device) for size in ((rows, inputs), (inputs, outputs)))
    long = torch.ones(NUMBERS, dtype=torch.float32, device=device)
    with torch.no_grad(), fast_matmul(device):
        product, addition = mean_time(lambda: left @ right, device), mean_time(lambda: long + long, device)
    return Speed(2.0 * rows * inputs * outputs / product, 2.0 * long.nbytes / addition)


def mean_time(work: Callable[[], object], device: str) -> float:
    """Seconds. The mean and not the best: who shares the cores now will share them in training too."""
    work()  # the first time sets the libraries up
    wait(device)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < MEASURED_S:
        work()
        wait(device)
        done += 1
    return (time.perf_counter() - started) / done


def wait(device: str) -> None:
    """Until the device has done what it was given; a CPU has."""
    import torch

    if device in {"cuda", "mps"}:
        getattr(torch, device).synchronize()


def free_disk(folder: Path) -> int:
    return shutil.disk_usage(folder).free
