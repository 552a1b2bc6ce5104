"""Devices: the setting `auto | cpu | cuda | mps` in; where to compute, in which number format, and why, out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from heedful.errors import ModelError

Setting = Literal["auto", "cpu", "cuda", "mps"]
SMALL = 50_000_000  # parameters; below this float32 fits everywhere and costs little


@dataclass(frozen=True, slots=True)
class Device:
    """`name` and `dtype_name` are torch's names; `why` is one sentence for the plan and for `heedful doctor`."""

    name: str
    dtype_name: str
    why: str


def choose_device(setting: str, parameters: int | None = None) -> Device:
    """The device that `setting` names, or the best one there is: cuda, then mps, then cpu.

    `parameters` is the size of the base; without it a large one is assumed. Raises ModelError when the named device is not there.
    """
    there = available()
    if setting == "auto":
        name = there[0]
        found = f"the best that is there ({', '.join(there)})"
    elif setting in there:
        name, found = setting, "set by you"
    else:
        raise ModelError(
            f"device {setting!r} is not there; this machine has: {', '.join(there)}", "set device: auto in heedful.yaml"
        )
    dtype_name, reason = choose_dtype(name, parameters)
    return Device(name, dtype_name, f"{found}; {dtype_name}: {reason}")


def available() -> list[str]:
    """Usable devices, best first."""
    import torch

    return [
        *(["cuda"] if torch.cuda.is_available() else []),
        *(["mps"] if torch.backends.mps.is_available() else []),
        "cpu",
    ]


def choose_dtype(device: str, parameters: int | None) -> tuple[str, str]:
    """Number format of the frozen base weights, and why."""
    if device == "cpu" and parameters is not None and parameters < SMALL:
        return "float32", f"exact, and quick enough below {SMALL // 1_000_000} million parameters"
    if has_bfloat16(device):
        return "bfloat16", "half the memory, in hardware on this device"
    return "float32", "this device has no bfloat16 in hardware"


def has_bfloat16(device: str) -> bool:
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "mps":
        return bool(torch.backends.mps.is_macos_or_newer(14, 0))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@contextmanager
def fast_matmul(device: str) -> Iterator[None]:
    """Let a CPU multiply float32 matrices in oneDNN: 2-3 times as fast on AMD, the same 4e-7 of relative error.

    A processor with AMX may round the factors to bfloat16 (sums stay float32), so this is for training and scoring, where base and
    tuned model are treated alike. Elsewhere, nothing changes.
    """
    import torch

    before = torch.get_float32_matmul_precision()
    if device == "cpu":
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
