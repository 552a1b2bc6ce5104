"""Kernels: the element-wise work of the layers, forward and backward; as plain torch, or compiled by inductor into one pass each.

Two write into an argument (`gate_backward`, `logits_gradient`), the others are pure functions of tensors. Sums run in float32
(float64 where the input is), results have the dtype of the input, and norms round where transformers rounds. Masks add a large
negative number, not -inf: inductor compiles with -ffinite-math-only.

Shapes: T tokens, H hidden, I intermediate, V vocabulary, S supervised tokens; K key-value heads, G query heads to each, D head
dimension; R query rows of a tile and N its keys.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor

from heedful.training.packed.native import NativeAttention, load_attention

MASKED = -1e30


@dataclass(frozen=True, slots=True)
class Kernels:
    """One implementation of every kernel; `plain()` and `compiled()` make them. See the functions of the same name.

    `attention`: of whole segments, where it could be compiled for the processor.
    """

    norm_forward: Callable[..., tuple[Tensor, Tensor]]
    norm_again: Callable[..., Tensor]
    norm_backward: Callable[..., Tensor]
    gate_forward: Callable[..., Tensor]
    gate_backward: Callable[..., Tensor]
    rotate_heads: Callable[..., tuple[Tensor, Tensor]]
    join_heads: Callable[..., Tensor]
    softmax_forward: Callable[..., tuple[Tensor, Tensor, Tensor]]
    softmax_backward: Callable[..., tuple[Tensor, Tensor]]
    join_output: Callable[..., Tensor]
    output_delta: Callable[..., Tensor]
    log_sum_exp: Callable[..., Tensor]
    logits_gradient: Callable[..., None]
    drop: Callable[..., Tensor]
    to_bytes: Callable[..., tuple[Tensor, Tensor]]
    from_bytes: Callable[..., Tensor]
    attention: NativeAttention | None = None


NAMES = tuple(field.name for field in fields(Kernels) if field.name != "attention")


@lru_cache(maxsize=1)
def plain() -> Kernels:
    return Kernels(**{name: globals()[name] for name in NAMES})


@lru_cache(maxsize=1)
def compiled() -> Kernels:
    """Each kernel is compiled at its first call, for all sizes: half a minute in all on one core, five seconds from the disk cache.

    Needs a C++ compiler on a CPU; without one the first call raises torch's own error, so ask `support.can_compile` before.
    """
    # or two sizes that are equal in the first batch by chance are taken for one, and a kernel is compiled again at a later batch
    torch.fx.experimental._config.use_duck_shape = False
    attention = load_attention()
    return Kernels(
        **{name: torch.compile(globals()[name], dynamic=True) for name in NAMES},
        attention=attention if isinstance(attention, NativeAttention) else None,
    )


def wide(x: Tensor) -> Tensor:
    """In the precision of sums."""
    return x if x.dtype == torch.float64 else x.float()


def norm_forward(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """RMSNorm of [..., H], and the factor [..., 1] that its backward needs. https://arxiv.org/abs/1910.07467"""
    values = wide(x)
    factor = torch.rsqrt((values * values).mean(-1, keepdim=True) + eps)
    return weight * (values * factor).to(x.dtype), factor


def norm_again(x: Tensor, weight: Tensor, factor: Tensor) -> Tensor:
    """The output of `norm_forward` once more: cheaper to compute than to keep."""
    return weight * (wide(x) * factor).to(x.dtype)


def norm_backward(gradient: Tensor, x: Tensor, weight: Tensor, factor: Tensor, beside: Tensor) -> Tensor:
    """Gradient of x. `beside` is the gradient that reaches x around the norm, through the residual connection."""
    values, weighted = wide(x), wide(gradient) * wide(weight)
    inner = factor * (weighted - values * (factor * factor) * (weighted * values).mean(-1, keepdim=True))
    return (inner + wide(beside)).to(x.dtype)


def gate_forward(gate_up: Tensor) -> Tensor:
    """SwiGLU: [T, 2 I] -> silu(gate) * up, [T, I]. https://arxiv.org/abs/2002.05202"""
    gate, up = gate_up.chunk(2, dim=-1)
    gate = wide(gate)
    return (gate * torch.sigmoid(gate) * wide(up)).to(gate_up.dtype)


def gate_backward(gradient: Tensor, gate_up: Tensor, d_gate: Tensor, d_up: Tensor) -> Tensor:
    """Writes the gradients [T, I] of gate and up into the last two, and returns the output [T, I] once more."""
    gate, up = gate_up.chunk(2, dim=-1)
    gate, up, arriving = wide(gate), wide(up), wide(gradient)
    sigmoid = torch.sigmoid(gate)
    silu = gate * sigmoid
    d_gate.copy_(arriving * up * (sigmoid + silu * (1 - sigmoid)))
    d_up.copy_(arriving * silu)
    return (silu * up).to(gate_up.dtype)


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """Rotary positions: both halves of [T, heads, D] turned by angles [T, 1, D / 2]; a negative sine turns back.

    The halves are put together by the caller: inductor would do it element by element. https://arxiv.org/abs/2104.09864
    """
    first, second = wide(heads).chunk(2, dim=-1)
    return first * cosine - second * sine, second * cosine + first * sine


def rotate_heads(
    qkv: Tensor, cosine: Tensor, sine: Tensor, norms: tuple[Tensor, Tensor] | None, eps: float, kv_heads: int
) -> tuple[Tensor, Tensor]:
    """[T, K G + 2 K, D] -> both halves [T, K G + K, D / 2] of rotated queries and keys.

    `norms`: weights of Qwen3's norms over each query and key head.
    """
    if norms is None:
        first, second = rotate(qkv[:, :-kv_heads], cosine, sine)
    else:
        queries = norm_forward(qkv[:, : -2 * kv_heads], norms[0], eps)[0]
        keys = norm_forward(qkv[:, -2 * kv_heads : -kv_heads], norms[1], eps)[0]
        first, second = rotate(torch.cat([queries, keys], dim=1), cosine, sine)
    return first.to(qkv.dtype), second.to(qkv.dtype)


def join_heads(
    gradients: tuple[Tensor, Tensor, Tensor],
    cosine: Tensor,
    sine: Tensor,
    normed: tuple[Tensor, Tensor, Tensor] | None,
    eps: float,
) -> Tensor:
    """Gradients of queries [K, T, G, D], keys and values [K, T, D] -> gradient of qkv. `normed`: qkv and the two norms' weights."""
    queries, keys, values = (gradient.transpose(0, 1) for gradient in gradients)
    tokens, kv_heads, _, size = queries.shape
    queries = torch.cat(rotate(queries.reshape(tokens, -1, size), cosine, -sine), dim=-1)
    keys = torch.cat(rotate(keys, cosine, -sine), dim=-1)
    dtype = gradients[0].dtype
    if normed is not None:
        heads = normed[0].view(tokens, -1, size)
        queries = head_norm_backward(queries, heads[:, : -2 * kv_heads], normed[1], eps)
        keys = head_norm_backward(keys, heads[:, -2 * kv_heads : -kv_heads], normed[2], eps)
    return torch.cat([queries.to(dtype), keys.to(dtype), values.to(dtype)], dim=1).view(tokens, -1)


def head_norm_backward(gradient: Tensor, heads: Tensor, weight: Tensor, eps: float) -> Tensor:
    _, factor = norm_forward(heads, weight, eps)
    return norm_backward(gradient, heads, weight, factor, torch.zeros_like(gradient))


def softmax_forward(scores: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Scores [K, R, G, N] and a mask [R, 1, N] to be added -> their exponentials, not yet divided by their totals [K, R, G, 1],
    and the logarithms of the sums [K, R, G, 1] of exponentials, for the backward."""
    masked = wide(scores) * scale + mask
    top = masked.amax(-1, keepdim=True)
    powers = torch.exp(masked - top)
    totals = powers.sum(-1, keepdim=True)
    return powers.to(scores.dtype), totals, top + torch.log(totals)


def softmax_backward(
    scores: Tensor, mask: Tensor, scale: float, gradient: Tensor, log_sums: Tensor, delta: Tensor
) -> tuple[Tensor, Tensor]:
    """Probabilities once more, and the gradient of the scores. `delta` [K, R, G, 1]: sum of gradient times probability.

    As in FlashAttention-2, section 3.1: probabilities are not kept, so memory is linear in tokens. https://arxiv.org/abs/2307.08691
    """
    probability = torch.exp(wide(scores) * scale + mask - log_sums)
    return probability.to(scores.dtype), (probability * (wide(gradient) - delta) * scale).to(scores.dtype)


def join_output(gathered: Tensor, totals: Tensor) -> Tensor:
    """Values gathered by undivided exponentials [K, T, G, D], and totals [K, T, G, 1] -> the attention's output [T, K G D]."""
    divided = (wide(gathered) / totals).to(gathered.dtype)
    return divided.transpose(0, 1).reshape(gathered.shape[1], -1)


def output_delta(gradient: Tensor, output: Tensor) -> Tensor:
    """`delta` of `softmax_backward`, [T, K, G, 1], from the output [T, K, G, D] and its gradient."""
    return (wide(gradient) * wide(output)).sum(-1, keepdim=True)


def log_sum_exp(logits: Tensor) -> Tensor:
    """[S, V] -> [S, 1]."""
    values = wide(logits)
    top = values.amax(-1, keepdim=True)
    return top + torch.log(torch.exp(values - top).sum(-1, keepdim=True))


def logits_gradient(logits: Tensor, log_sums: Tensor, share: Tensor) -> None:
    """Turn logits into the gradient of `share` (no dimension) times the cross-entropies, but for the -`share` at the target."""
    logits.copy_(torch.exp(wide(logits) - log_sums) * share)


def drop(x: Tensor, key: Tensor, share: Tensor) -> Tensor:
    """Dropout of [T, H] by a mask that follows from `key` (int32) and `share` alone; its backward is itself, on the gradient.

    So nothing is kept for the backward, and checkpointing and resuming see the same masks. Row and column are hashed, not drawn.
    `share` is a tensor like `key`: a number is compiled into the threshold, and torch 2.13 takes that compiled kernel from its
    cache on disk for other numbers too.
    """
    rows = mix(torch.arange(x.shape[0], device=x.device, dtype=torch.int32)[:, None] ^ key)
    columns = torch.arange(x.shape[1], device=x.device, dtype=torch.int32) * -1640531527
    uniform = ((mix(rows + columns) >> 8) & 0xFFFFFF).float() / 0x1000000
    return torch.where(uniform >= share, wide(x) / (1 - share), 0.0).to(x.dtype)


def mix(number: Tensor) -> Tensor:
    """Every bit of an int32 spread over all others: lowbias32 of https://nullprogram.com/blog/2018/07/31/"""
    number = (number ^ ((number >> 16) & 0xFFFF)) * 0x7FEB352D
    number = (number ^ ((number >> 15) & 0x1FFFF)) * -2073254261
    return number ^ ((number >> 16) & 0xFFFF)


def to_bytes(x: Tensor) -> tuple[Tensor, Tensor]:
    """[T, N] as unsigned bytes around 128, and what one of them is worth in each row, [T, 1]."""
    values = wide(x)
    scales = values.abs().amax(-1, keepdim=True) * (1 / 127) + 1e-30
    return (torch.round(values / scales) + 128).to(torch.uint8), scales


def from_bytes(y: Tensor, scales: Tensor, bias: Tensor | None) -> Tensor:
    """Sums of bytes [T, N] to what they are worth, and a bias [N] added."""
    values = wide(y) * scales
    return (values if bias is None else values + wide(bias)).to(y.dtype)
