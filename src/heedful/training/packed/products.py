"""Products: a frozen matrix [out, in] in; how activations and gradients [T, ...] are multiplied by it, out.

| kind | what it is |
| --- | --- |
| plain | the matrix as it lies, shared with the model it came from |
| blocked | laid out for the processor beforehand, once for each direction: the same numbers sooner, for twice the memory |
| int8 | rounded to 8 bits, as is what it meets: twice the speed again and the memory of plain, but no exact gradients |

Eight bits: every row of the matrix has a scale of its own (every column, for the way back), and so has every token. Sums are exact.
Adapters, norms, attention and the head stay as they are. https://arxiv.org/abs/2208.07339
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor
from torch.nn.functional import linear

from heedful.training.packed.kernels import Kernels, plain
from heedful.training.packed.support import Reason

Kind = Literal["plain", "blocked", "int8"]
USUAL_ROWS = 1_024  # tokens of a pass, as a hint to oneDNN
LARGEST, ZERO_POINT = 127, 128
PROBED = 64


class Product(Protocol):
    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""

    def forward(self, x: Tensor, bias: Tensor | None, kernels: Kernels) -> Tensor:
        """x W^T + bias, a tensor of its own."""

    def backward(self, gradient: Tensor, kernels: Kernels) -> Tensor:
        """gradient W, a tensor of its own."""


@dataclass(frozen=True, slots=True)
class Plain:
    weight: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        outputs, inputs = self.weight.shape
        return outputs, inputs

    def forward(self, x: Tensor, bias: Tensor | None, kernels: Kernels) -> Tensor:
        return linear(x, self.weight, bias)

    def backward(self, gradient: Tensor, kernels: Kernels) -> Tensor:
        return gradient @ self.weight


@dataclass(frozen=True, slots=True)
class Blocked:
    """`ahead` and `back` are opaque to all but oneDNN."""

    shape: tuple[int, int]
    ahead: Tensor
    back: Tensor

    def forward(self, x: Tensor, bias: Tensor | None, kernels: Kernels) -> Tensor:
        return run_blocked(x, self.ahead, bias)

    def backward(self, gradient: Tensor, kernels: Kernels) -> Tensor:
        return run_blocked(gradient, self.back, None)


@dataclass(frozen=True, slots=True)
class Rounded:
    """A matrix in 8 bits as oneDNN wants it, and the scale and (zero) zero point of each of its rows."""

    matrix: Tensor
    scales: Tensor
    zeros: Tensor

    def multiply(self, x: Tensor, bias: Tensor | None, kernels: Kernels) -> Tensor:
        numbers, scales = kernels.to_bytes(x)
        y = torch.ops.onednn.qlinear_pointwise(
            numbers, 1.0, ZERO_POINT, self.matrix, self.scales, self.zeros, None, 1.0, 0, x.dtype, "none", [], ""
        )
        return kernels.from_bytes(y, scales, bias)


@dataclass(frozen=True, slots=True)
class Int8:
    shape: tuple[int, int]
    ahead: Rounded
    back: Rounded

    def forward(self, x: Tensor, bias: Tensor | None, kernels: Kernels) -> Tensor:
        return self.ahead.multiply(x, bias, kernels)

    def backward(self, gradient: Tensor, kernels: Kernels) -> Tensor:
        return self.back.multiply(gradient, None, kernels)


def make_product(weight: Tensor, kind: Kind) -> Product:
    outputs, inputs = weight.shape
    if kind == "blocked":
        return Blocked((outputs, inputs), block(weight), block(weight.t().contiguous()))
    if kind == "int8":
        return Int8((outputs, inputs), round_rows(weight), round_rows(weight.t().contiguous()))
    return Plain(weight)


def can_multiply(kind: Kind, device: str, dtype: torch.dtype) -> Reason | None:
    """None when there are products of this kind; they are only worth while where the processor has instructions for them."""
    if kind == "plain":
        return None
    if device != "cpu" or not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return Reason(f"there are no {kind} products on {device}")
    needed = {"blocked": "avx512_bf16", "int8": "avx512_vnni"}[kind]
    if not torch.cpu.get_capabilities().get(needed):
        return Reason(f"the processor has no {needed}")
    if dtype != torch.bfloat16:
        return Reason(f"there are {kind} products for bfloat16 alone, not for {dtype}")
    return probe(kind)


@cache
def probe(kind: Kind) -> Reason | None:
    """Whether oneDNN has them in this process: the environment may keep it from using what the processor has."""
    try:
        product = make_product(torch.zeros(PROBED, PROBED, dtype=torch.bfloat16), kind)
        product.forward(torch.zeros(1, PROBED, dtype=torch.bfloat16), None, plain())
    except RuntimeError as error:
        return Reason(f"oneDNN refuses them: {str(error).partition(chr(10))[0]}")
    return None


def missing(device: str, dtype: str) -> dict[str, str | None]:
    """By kind: None, or why there are no such products here."""
    reasons = {kind: can_multiply(kind, device, getattr(torch, dtype)) for kind in get_args(Kind)}
    return {kind: None if reason is None else str(reason) for kind, reason in reasons.items()}


def block(weight: Tensor) -> Tensor:
    blocked: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, USUAL_ROWS)
    return blocked


def run_blocked(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x.contiguous(), weight, bias, "none", [], "")
    return y


def round_rows(weight: Tensor) -> Rounded:
    values = weight.float()
    scales = values.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / LARGEST
    numbers = torch.round(values / scales[:, None]).to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(numbers, None)
    return Rounded(packed, scales, torch.zeros(len(numbers), dtype=torch.int32))
