"""Functions: the differentiable parts of a layer, each with a backward that keeps and computes no more than it must.

Frozen weights get no gradient. What is cheap to compute again (norms, the gate, dropout masks) is not kept. x is [T, H]. The
residual stream passes through `NormedLinear`, so that its backward adds both gradients of x in one pass. Masters are arguments
of `apply` beside the map that holds them, for autograd to see; a map without adapters passes None.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heedful.training.packed.kernels import Kernels
from heedful.training.packed.low_rank import Lora, a_gradient, add_update, inner_gradient
from heedful.training.packed.products import Product

Context = Any  # torch's FunctionCtx, on which every function keeps facts of its own
Gradients = tuple[Tensor | None, ...]


@dataclass(frozen=True, slots=True)
class Norm:
    weight: Tensor
    eps: float


@dataclass(frozen=True, slots=True)
class Below:
    """What earlier generations add to a map: frozen, x A^T B^T with A [ranks, in] and B [out, ranks], all scales in B."""

    a: Tensor
    b: Tensor


@dataclass(frozen=True, slots=True)
class Linear:
    """A frozen map, its matrix [out, in] and bias [out], what lies `below` the adapters that learn, and these if there are any.

    The generations below stay factors of their own: added to a bfloat16 weight, most of what they learned would be rounded away.
    """

    product: Product
    bias: Tensor | None
    lora: Lora | None = None
    below: Below | None = None

    @property
    def masters(self) -> tuple[Tensor | None, Tensor | None]:
        return (None, None) if self.lora is None else (self.lora.a, self.lora.b)

    def forward(self, x: Tensor, kernels: Kernels) -> Tensor:
        """All but the adapters that learn."""
        y = self.product.forward(x, self.bias, kernels)
        return y if self.below is None else y.addmm_(x @ self.below.a.t(), self.below.b.t())

    def backward(self, gradient: Tensor, kernels: Kernels) -> Tensor:
        """The gradient of x by the same part."""
        dx = self.product.backward(gradient, kernels)
        return dx if self.below is None else dx.addmm_(gradient @ self.below.b, self.below.a)


def normed_linear(x: Tensor, norm: Norm, mapping: Linear, kernels: Kernels) -> tuple[Tensor, Tensor]:
    """x and mapping(norm(x)). Go on with the x that comes back."""
    residual, y = NormedLinear.apply(x, *mapping.masters, norm, mapping, kernels)  # type: ignore[no-untyped-call]
    return residual, y


def add_linear(residual: Tensor, x: Tensor, mapping: Linear, kernels: Kernels, gated: bool = False) -> Tensor:
    """residual + mapping(x); if `gated`, residual + mapping(silu(gate) * up) where x is gate and up side by side."""
    y: Tensor = AddLinear.apply(residual, x, *mapping.masters, mapping, kernels, gated)  # type: ignore[no-untyped-call]
    return y


def normed(x: Tensor, norm: Norm, kernels: Kernels) -> Tensor:
    y: Tensor = Normed.apply(x, norm, kernels)  # type: ignore[no-untyped-call]
    return y


class NormedLinear(torch.autograd.Function):
    """Keeps x, a number a token, and the inner values; the norm is computed again."""

    @staticmethod
    def forward(
        context: Context, x: Tensor, a: Tensor | None, b: Tensor | None, norm: Norm, mapping: Linear, kernels: Kernels
    ) -> tuple[Tensor, Tensor]:
        values = x.detach()
        entering, factor = kernels.norm_forward(values, norm.weight, norm.eps)
        y = mapping.forward(entering, kernels)
        inner = None if mapping.lora is None else add_update(y, entering, mapping.lora)
        context.save_for_backward(values, factor, inner)
        context.norm, context.mapping, context.kernels = norm, mapping, kernels
        context.set_materialize_grads(False)
        return x, y

    @staticmethod
    @once_differentiable
    def backward(context: Context, beside: Tensor | None, gradient: Tensor) -> Gradients:
        x, factor, inner = context.saved_tensors
        norm, mapping, kernels = context.norm, context.mapping, context.kernels
        dx = mapping.backward(gradient, kernels) if context.needs_input_grad[0] else None
        d_a = d_b = None
        if mapping.lora is not None:
            d_inner, d_b = inner_gradient(gradient, inner, mapping.lora, dx)
            d_a = a_gradient(d_inner, kernels.norm_again(x, norm.weight, factor), mapping.lora)
        if dx is not None:
            dx = kernels.norm_backward(dx, x, norm.weight, factor, torch.zeros_like(x) if beside is None else beside)
        return dx, d_a, d_b, None, None, None


class AddLinear(torch.autograd.Function):
    """Keeps x and the inner values; the gate is computed again."""

    @staticmethod
    def forward(
        context: Context,
        residual: Tensor,
        x: Tensor,
        a: Tensor | None,
        b: Tensor | None,
        mapping: Linear,
        kernels: Kernels,
        gated: bool,
    ) -> Tensor:
        values = x.detach()
        entering = kernels.gate_forward(values) if gated else values
        y = mapping.forward(entering, kernels).add_(residual)
        inner = None if mapping.lora is None else add_update(y, entering, mapping.lora)
        context.save_for_backward(values, inner)
        context.mapping, context.kernels, context.gated = mapping, kernels, gated
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Context, gradient: Tensor) -> Gradients:
        x, inner = context.saved_tensors
        mapping = context.mapping
        dx = mapping.backward(gradient, context.kernels) if context.needs_input_grad[1] else None
        d_inner = d_a = d_b = None
        if mapping.lora is not None:
            d_inner, d_b = inner_gradient(gradient, inner, mapping.lora, dx)
        entering = x
        if context.gated and dx is not None:
            arriving, dx = dx, torch.empty_like(x)
            entering = context.kernels.gate_backward(arriving, x, *dx.chunk(2, dim=-1))
        elif context.gated:
            entering = context.kernels.gate_forward(x)
        if mapping.lora is not None and d_inner is not None:
            d_a = a_gradient(d_inner, entering, mapping.lora)
        return gradient, dx, d_a, d_b, None, None, None


class Normed(torch.autograd.Function):
    @staticmethod
    def forward(context: Context, x: Tensor, norm: Norm, kernels: Kernels) -> Tensor:
        values = x.detach()
        y, factor = kernels.norm_forward(values, norm.weight, norm.eps)
        context.save_for_backward(values, factor)
        context.norm, context.kernels = norm, kernels
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Context, gradient: Tensor) -> Gradients:
        x, factor = context.saved_tensors
        beside = torch.zeros_like(x)
        return context.kernels.norm_backward(gradient, x, context.norm.weight, factor, beside), None, None
