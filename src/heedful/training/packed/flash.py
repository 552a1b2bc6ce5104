"""Flash: the attention of a packed batch on CUDA, by torch's variable-length flash attention. Shapes as in `attention`.

Flash attention aligns a causal mask to the end of the keys, so a segment's keys are the prefix and then its own.
"""

from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor

LARGEST_HEAD = 256


def has_flash(queries: Tensor) -> bool:
    """Whether these queries can go there: half precision, on a GPU of at least the Ampere generation, with a new enough torch."""
    size = queries.shape[-1]
    if not queries.is_cuda or queries.dtype not in (torch.bfloat16, torch.float16) or size > LARGEST_HEAD or size % 8:
        return False
    return has_varlen() and torch.cuda.get_device_capability(queries.device)[0] >= 8


@lru_cache(maxsize=1)
def has_varlen() -> bool:
    try:
        import torch.nn.attention.varlen  # noqa: F401
    except ImportError:
        return False
    return True


def flash_attention(
    queries: Tensor, keys: Tensor, values: Tensor, segments: tuple[tuple[int, int], ...], prefix: int, window: int | None
) -> Tensor:
    """[K, T, G, D] queries -> [T, K G D]; differentiable."""
    from torch.nn.attention.varlen import varlen_attn

    tokens, group = queries.shape[1], queries.shape[2]
    asking = queries.transpose(0, 1).flatten(1, 2)
    own = [stop - start for start, stop in segments]
    seen = [length + (prefix if start >= prefix else 0) for length, (start, _) in zip(own, segments, strict=True)]
    output = varlen_attn(
        asking,
        behind_prefix(keys, segments, prefix),
        behind_prefix(values, segments, prefix),
        boundaries(own, queries.device),
        boundaries(seen, queries.device),
        max(own),
        max(seen),
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=group > 1,
    )
    assert isinstance(output, Tensor)
    return output.reshape(tokens, -1)


def behind_prefix(heads: Tensor, segments: tuple[tuple[int, int], ...], prefix: int) -> Tensor:
    """Keys or values [tokens seen, K, D] of all segments, each behind a copy of the prefix, whose gradients add up in float32."""
    rows = heads.transpose(0, 1)
    if not prefix:
        return rows.contiguous()
    shared = rows[:prefix].float()
    pieces = [rows[:prefix]]
    for start, stop in segments[1:]:
        pieces += [shared.to(rows.dtype), rows[start:stop]]
    return torch.cat(pieces)


def boundaries(lengths: list[int], device: torch.device) -> Tensor:
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)
