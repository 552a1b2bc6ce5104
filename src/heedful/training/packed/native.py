"""Native: attention in C++ for processors with AVX512-BF16, compiled once by the machine's own compiler, out; or a reason why not.

`segments.cpp` says what is computed. The library lies in the user's cache, named by source and flags, and is called with ctypes. It
takes part in torch's own pool of threads: both are linked to the one libgomp that torch brings along.
"""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from heedful.training.packed.support import Reason, can_compile, compiler

SOURCE = Path(__file__).with_name("segments.cpp")
PROCESSOR = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512bf16", "fma", "bmi2")
FLAGS = ("-O3", "-std=c++17", *(f"-m{name}" for name in PROCESSOR), "-fopenmp", "-shared", "-fPIC", "-w")
PANEL, LARGEST_HEAD = 64, 256  # as in the source
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Span:
    """Segments of a packed batch as the library wants them; a window of 0 is none."""

    segments: Tensor
    prefix: int
    window: int


def make_span(segments: tuple[tuple[int, int], ...], prefix: int, window: int | None) -> Span:
    return Span(torch.tensor(segments, dtype=torch.int64), prefix, 0 if window is None else window)


@dataclass(frozen=True, slots=True)
class NativeAttention:
    library: ctypes.CDLL

    def takes(self, queries: Tensor) -> bool:
        size = queries.shape[-1]
        return not queries.is_cuda and queries.dtype == torch.bfloat16 and size % PANEL == 0 and size <= LARGEST_HEAD

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, span: Span) -> tuple[Tensor, Tensor]:
        """Output [T, K G D], and the logarithms of the sums of exponentials [K, T, G]."""
        heads, tokens, group, size = queries.shape
        output = queries.new_empty(tokens, heads * group * size)
        log_sums = queries.new_empty(heads, tokens, group, dtype=torch.float32)
        self._call("attention_forward", (queries, keys, values, output, log_sums), span, queries.shape)
        return output, log_sums

    def backward(
        self, saved: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], gradient: Tensor, span: Span
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of queries, keys and values. `saved` are these, the output and the logarithms."""
        queries, keys, values, output, log_sums = saved
        d_queries = torch.empty_like(queries)
        d_keys, d_values = (torch.empty_like(heads, dtype=torch.float32) for heads in (keys, values))
        tensors = (queries, keys, values, output, gradient, log_sums, d_queries, d_keys, d_values)
        self._call("attention_backward", tensors, span, queries.shape)
        return d_queries, d_keys, d_values

    def _call(self, name: str, tensors: tuple[Tensor, ...], span: Span, shape: torch.Size) -> None:
        heads, tokens, group, size = shape
        assert all(tensor.is_contiguous() for tensor in tensors)
        numbers = (len(span.segments), span.prefix, span.window, tokens, heads, group, size, torch.get_num_threads())
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (*tensors, span.segments)]
        getattr(self.library, name)(*pointers, *map(ctypes.c_int64, numbers))


@lru_cache(maxsize=1)
def load_attention() -> NativeAttention | Reason:
    """Compiles at the first call on a machine, a few seconds."""
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        return Reason("the processor has no AVX512-BF16")
    reason = can_compile("cpu")
    if reason is not None:
        return reason
    try:
        return NativeAttention(ctypes.CDLL(str(build())))
    except subprocess.CalledProcessError as error:
        return Reason(f"{compiler()} failed: {error.stderr.strip().partition(chr(10))[0]}")
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        return Reason(f"it could not be built or loaded: {error}")


def build() -> Path:
    """The compiled library; another process may build the same one, so it appears as a whole."""
    text = SOURCE.read_bytes()
    name = hashlib.sha256(b"\0".join([text, *(flag.encode() for flag in FLAGS)])).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(cache) if cache else Path.home() / ".cache") / "heedful" / "native"
    target = folder / f"segments-{name}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            made = Path(aside) / target.name
            command = [str(compiler()), *FLAGS, "-o", str(made), str(SOURCE)]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
            made.replace(target)
    return target
