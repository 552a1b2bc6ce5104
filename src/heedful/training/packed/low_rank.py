"""Low rank: the LoRA part of a fused linear map, forward and backward, on plain tensors.

Modules that read the same input (q, k and v; gate and up) are one map. Their A lie below one another, [modules rank, in]; their B
likewise, [adapted outputs, rank]. Masters are float32; they are rounded to the dtype of the computation at each use.
https://arxiv.org/abs/2106.09685
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from heedful.training.packed.kernels import Kernels


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the adapters of one fused map sit. `spans`: rows (start, stop) of the map's output, one for each adapted module."""

    spans: tuple[tuple[int, int], ...]
    outputs: int
    rank: int
    scale: float


@dataclass(frozen=True, slots=True)
class Masks:
    """Dropout of one fused map: the share dropped, and a key [modules] each, as every module of PEFT draws its own mask.

    PEFT also draws anew for every conversation. In a shared prefix one mask serves them all: each still has the same distribution,
    so the mean gradient is the same.
    """

    share: Tensor
    keys: Tensor
    kernels: Kernels

    def apply(self, x: Tensor, module: int) -> Tensor:
        return self.kernels.drop(x, self.keys[module], self.share)


@dataclass(frozen=True, slots=True)
class Lora:
    """The adapters of one fused map in one pass."""

    a: Tensor
    b: Tensor
    slot: Slot
    masks: Masks | None


def add_update(y: Tensor, x: Tensor, lora: Lora) -> Tensor:
    """Add the update to y = map(x), in place. Returns the inner values [T, modules rank], which the backward needs."""
    a = lora.a.detach().to(x.dtype)
    if lora.masks is None:
        inner = x @ a.t()
    else:
        parts = torch.split(a, lora.slot.rank)
        inner = torch.cat([lora.masks.apply(x, number) @ part.t() for number, part in enumerate(parts)], dim=1)
    y.addmm_(inner, scatter_b(lora, x.dtype).t())
    return inner


def inner_gradient(gradient: Tensor, inner: Tensor, lora: Lora, dx: Tensor | None) -> tuple[Tensor, Tensor]:
    """Gradients of the inner values and of B from that of y. The update's part in the gradient of x is added to `dx`, in place."""
    d_inner = gradient @ scatter_b(lora, gradient.dtype)
    d_b = gather_b(inner.t() @ gradient, lora)
    a = lora.a.detach().to(gradient.dtype)
    if dx is not None and lora.masks is None:
        dx.addmm_(d_inner, a)
    elif dx is not None and lora.masks is not None:
        parts = zip(torch.split(d_inner, lora.slot.rank, dim=1), torch.split(a, lora.slot.rank), strict=True)
        for number, (arriving, part) in enumerate(parts):
            dx.add_(lora.masks.apply(arriving @ part, number))
    return d_inner, d_b


def a_gradient(d_inner: Tensor, x: Tensor, lora: Lora) -> Tensor:
    if lora.masks is None:
        return (d_inner.t() @ x).to(lora.a.dtype)
    parts = torch.split(d_inner, lora.slot.rank, dim=1)
    return torch.cat([part.t() @ lora.masks.apply(x, number) for number, part in enumerate(parts)]).to(lora.a.dtype)


def scatter_b(lora: Lora, dtype: torch.dtype) -> Tensor:
    """B of all modules as one matrix [outputs, modules rank], scaled; zero where a module does not reach."""
    slot, b = lora.slot, lora.b.detach()
    if slot.spans == ((0, slot.outputs),):
        return (b * slot.scale).to(dtype)
    matrix = torch.zeros(slot.outputs, len(slot.spans) * slot.rank, dtype=dtype, device=b.device)
    for number, ((start, stop), rows) in enumerate(zip(slot.spans, split_b(b, slot), strict=True)):
        torch.mul(rows, slot.scale, out=matrix[start:stop, number * slot.rank : (number + 1) * slot.rank])
    return matrix


def gather_b(matrix: Tensor, lora: Lora) -> Tensor:
    """The gradient of B. `matrix` [modules rank, outputs]: that of `scatter_b`, transposed, as it is quicker to compute."""
    slot = lora.slot
    pieces = [
        matrix[number * slot.rank : (number + 1) * slot.rank, start:stop].t() for number, (start, stop) in enumerate(slot.spans)
    ]
    return torch.cat(pieces).to(lora.b.dtype) * slot.scale


def split_b(b: Tensor, slot: Slot) -> tuple[Tensor, ...]:
    """B of each module: views."""
    return torch.split(b, [stop - start for start, stop in slot.spans])
