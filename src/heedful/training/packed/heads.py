"""Heads: the fused product of q, k and v in; normed and rotated heads for `attention` out, and their gradients back.

Shapes: T tokens, K key-value heads, G query heads to each, D head dimension.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heedful.training.packed.functions import Gradients
from heedful.training.packed.kernels import Kernels, wide
from heedful.training.packed.weights import FrozenWeights


@dataclass(frozen=True, slots=True)
class Angles:
    """cosine, sine [T, 1, D / 2] of every token's position, and what else a layer must know to turn heads by them."""

    cosine: Tensor
    sine: Tensor
    kv_heads: int
    eps: float


def make_angles(weights: FrozenWeights, positions: Tensor) -> Angles:
    """In float32, as transformers computes them."""
    shape = weights.shape
    turns = positions.float()[:, None, None] * shape.frequencies
    dtype = wide(weights.embedding[:0]).dtype
    cosine, sine = ((part * shape.rope_scale).to(dtype) for part in (turns.cos(), turns.sin()))
    return Angles(cosine, sine, shape.kv_heads, weights.norm.eps)


def split(qkv: Tensor, angles: Angles, head_norms: tuple[Tensor, Tensor] | None, kernels: Kernels) -> tuple[Tensor, Tensor, Tensor]:
    """[T, (K G + 2 K) D] -> queries [K, T, G, D], keys [K, T, D], values [K, T, D]."""
    queries, keys, values = SplitHeads.apply(qkv, angles, head_norms, kernels)  # type: ignore[no-untyped-call]
    return queries, keys, values


class SplitHeads(torch.autograd.Function):
    """Keeps nothing but the angles, which all layers share; with head norms, its input."""

    @staticmethod
    def forward(
        context: Any, qkv: Tensor, angles: Angles, head_norms: tuple[Tensor, Tensor] | None, kernels: Kernels
    ) -> tuple[Tensor, Tensor, Tensor]:
        tokens, kv_heads, size = len(qkv), angles.kv_heads, 2 * angles.cosine.shape[-1]
        context.save_for_backward(None if head_norms is None else qkv)
        context.angles, context.head_norms, context.kernels = angles, head_norms, kernels
        heads = qkv.detach().view(tokens, -1, size)
        halves = kernels.rotate_heads(heads, angles.cosine, angles.sine, head_norms, angles.eps, kv_heads)
        rotated = torch.cat(halves, dim=-1)
        return (
            rotated[:, :-kv_heads].view(tokens, kv_heads, -1, size).transpose(0, 1).contiguous(),
            rotated[:, -kv_heads:].transpose(0, 1).contiguous(),
            heads[:, -kv_heads:].transpose(0, 1).contiguous(),
        )

    @staticmethod
    @once_differentiable
    def backward(context: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Gradients:
        (qkv,) = context.saved_tensors
        angles = context.angles
        facts = None if qkv is None else (qkv, *context.head_norms)
        gradient = context.kernels.join_heads((queries, keys, values), angles.cosine, angles.sine, facts, angles.eps)
        return gradient, None, None, None
