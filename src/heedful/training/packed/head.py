"""Head: hidden states before supervised tokens, and those tokens, in; cross-entropy out.

The gradient is computed in the forward, a chunk of rows at a time, so nothing of the vocabulary's size outlives its chunk.
S is the number of supervised tokens.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heedful.training.packed.kernels import Kernels, wide

CHUNK_ROWS = 256  # enough for a matrix product at full speed; its logits are 78 MB at 152k tokens of bfloat16


def supervised_loss(hidden: Tensor, weight: Tensor, targets: Tensor, tokens: int, kernels: Kernels) -> Tensor:
    """Sum of the cross-entropies [no dimension], divided by `tokens`. hidden [S, H], weight [V, H], targets [S]."""
    loss: Tensor = SupervisedLoss.apply(hidden, weight, targets, tokens, kernels)  # type: ignore[no-untyped-call]
    return loss


def nats(hidden: Tensor, weight: Tensor, targets: Tensor, kernels: Kernels) -> Tensor:
    """Cross-entropy of each supervised token, [S]."""
    return torch.cat([losses for _, _, _, losses in chunks(hidden, weight, targets, kernels)])


def chunks(hidden: Tensor, weight: Tensor, targets: Tensor, kernels: Kernels) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Rows, their logits [rows, V], log-sum-exp [rows, 1] and cross-entropies [rows]. The next chunk overwrites the logits."""
    hidden = hidden.detach()
    room = hidden.new_empty(min(CHUNK_ROWS, len(targets)), len(weight))
    for start in range(0, len(targets), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        logits = torch.mm(hidden[rows], weight.t(), out=room[: len(targets[rows])])
        log_sums = kernels.log_sum_exp(logits)
        losses = log_sums[:, 0] - wide(logits.gather(1, targets[rows, None]))[:, 0]
        yield rows, logits, log_sums, losses


class SupervisedLoss(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden: Tensor, weight: Tensor, targets: Tensor, tokens: int, kernels: Kernels) -> Tensor:
        gradient = torch.empty_like(hidden)
        share = torch.tensor(1 / tokens, dtype=wide(hidden[:0]).dtype, device=hidden.device)
        sums = []
        for rows, logits, log_sums, losses in chunks(hidden, weight, targets, kernels):
            sums.append(losses.sum())
            kernels.logits_gradient(logits, log_sums, share)
            # p - 1 at the target from the loss itself: bfloat16 would round a well-known token's to zero
            at_target = (torch.expm1(-losses) * share).to(logits.dtype)
            logits[torch.arange(len(losses), device=losses.device), targets[rows]] = at_target
            gradient[rows] = logits @ weight
        context.save_for_backward(gradient)
        return torch.stack(sums).sum() / tokens

    @staticmethod
    @once_differentiable
    def backward(context: Any, arriving: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = context.saved_tensors
        return gradient * arriving.to(gradient.dtype), None, None, None, None
