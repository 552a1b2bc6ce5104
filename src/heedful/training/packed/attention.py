"""Attention: queries, keys and values of a packed batch in; what every token gathers from its own conversation out.

Every segment attends causally to the shared prefix and to itself, within the sliding window if there is one. Queries are cut into
tiles, and a tile meets only keys that some query of it may see; all products are batched over the key-value heads. On CUDA,
torch's variable-length flash attention does the same (`flash`); on a processor with AVX512-BF16, our own in C++ (`native`).

Shapes: T tokens, K key-value heads, G query heads to each, D head dimension; queries [K, T, G, D], keys and values [K, T, D];
R queries of a tile and N its keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heedful.training.packed.flash import flash_attention, has_flash
from heedful.training.packed.kernels import MASKED, Kernels, wide
from heedful.training.packed.native import NativeAttention, Span, make_span

TILE = 128  # query tokens; smaller tiles compute fewer masked scores, larger ones take fewer calls


@dataclass(frozen=True, slots=True)
class Tile:
    """Some queries of one segment, and the keys they may see: `spans` of tokens, in the order of their positions.

    `mask` [R, 1, N] is added to scores.
    """

    rows: slice
    spans: tuple[slice, ...]
    mask: Tensor

    def take(self, heads: Tensor) -> Tensor:
        """Keys or values [K, N, D] that the tile sees."""
        return torch.cat([heads[:, span] for span in self.spans], dim=1)

    def give(self, heads: Tensor, part: Tensor) -> None:
        """Add gradients [K, N, D] of those keys or values to all of them."""
        start = 0
        for span in self.spans:
            length = span.stop - span.start
            heads[:, span] += part[:, start : start + length]
            start += length


@dataclass(frozen=True, slots=True)
class Field:
    """What may see what in a packed batch: (start, stop) of its segments, how long the prefix in front is, and the window."""

    segments: tuple[tuple[int, int], ...]
    prefix: int
    window: int | None
    tiles: tuple[Tile, ...]
    span: Span


def make_field(segments: tuple[tuple[int, int], ...], prefix: int, window: int | None, device: torch.device) -> Field:
    """`window` None is full attention. Not every way needs the tiles, but they cost next to nothing."""
    reach = max(stop - start for start, stop in segments) + prefix
    wall = make_wall(reach, window, device)
    tiles = [
        make_tile(start, row, end, prefix if start >= prefix else 0, window, wall)
        for start, stop in segments
        for row, end in cut(start, stop)
    ]
    return Field(segments, prefix, window, tuple(tiles), make_span(segments, prefix, window))


def cut(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """A segment in tiles of like size, as few as there can be."""
    size = ceil((stop - start) / ceil((stop - start) / TILE))
    for row in range(start, stop, size):
        yield row, min(row + size, stop)


def make_wall(reach: int, window: int | None, device: torch.device) -> Tensor:
    """[TILE, reach + TILE], of which every tile's mask is a view: 0 where row r may see column c, else a large negative number.

    Row r stands at column reach + r.
    """
    ahead = torch.arange(reach + TILE, device=device) - reach - torch.arange(TILE, device=device)[:, None]
    seen = ahead <= 0 if window is None else (ahead <= 0) & (ahead > -window)
    return torch.where(seen, 0.0, MASKED)


def make_tile(start: int, row: int, end: int, before: int, window: int | None, wall: Tensor) -> Tile:
    """Queries row..end of the segment that begins at `start` behind `before` tokens of prefix."""
    position = row - start + before
    lowest = 0 if window is None else max(0, position - window + 1)
    own = slice(start + max(0, lowest - before), end)
    spans = (slice(lowest, before), own) if lowest < before else (own,)
    column = wall.shape[1] - TILE - (position - lowest)
    mask = wall[: end - row, column : column + position - lowest + end - row]
    return Tile(slice(row, end), spans, mask[:, None])


def attend(queries: Tensor, keys: Tensor, values: Tensor, field: Field, kernels: Kernels) -> Tensor:
    """Softmax attention, scores divided by the root of D. Returns [T, K G D]."""
    if has_flash(queries):
        return flash_attention(queries, keys, values, field.segments, field.prefix, field.window)
    if kernels.attention is not None and kernels.attention.takes(queries):
        found: Tensor = SegmentAttention.apply(queries, keys, values, field.span, kernels.attention)  # type: ignore[no-untyped-call]
        return found
    output: Tensor = TiledAttention.apply(queries, keys, values, field, kernels)  # type: ignore[no-untyped-call]
    return output


def flat(heads: Tensor, tile: Tile) -> Tensor:
    """The tile's part of [K, T, G, D] as [K, R G, D]: a view."""
    part = heads[:, tile.rows]
    return part.view(len(part), -1, part.shape[-1])


def score(queries: Tensor, keys: Tensor, group: int) -> Tensor:
    """[K, R G, D] and [K, N, D] -> [K, R, G, N]."""
    return torch.bmm(queries, keys.transpose(1, 2)).view(len(keys), -1, group, keys.shape[1])


class TiledAttention(torch.autograd.Function):
    """Keeps its inputs, its output and a number a query: probabilities are computed again."""

    @staticmethod
    def forward(context: Any, queries: Tensor, keys: Tensor, values: Tensor, field: Field, kernels: Kernels) -> Tensor:
        group, scale = queries.shape[2], queries.shape[3] ** -0.5
        gathered = torch.empty_like(queries)
        totals, log_sums = (wide(queries[..., :0]).new_empty(*queries.shape[:3], 1) for _ in range(2))
        for tile in field.tiles:
            scores = score(flat(queries, tile), tile.take(keys), group)
            powers, totals[:, tile.rows], log_sums[:, tile.rows] = kernels.softmax_forward(scores, tile.mask, scale)
            torch.bmm(powers.flatten(1, 2), tile.take(values), out=flat(gathered, tile))
        output = kernels.join_output(gathered, totals)
        context.save_for_backward(queries, keys, values, output, log_sums)
        context.field, context.kernels = field, kernels
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, values, output, log_sums = context.saved_tensors
        heads, tokens, group, size = queries.shape
        arriving = gradient.view(tokens, heads, group, size)
        delta = context.kernels.output_delta(arriving, output.view(arriving.shape)).transpose(0, 1)
        arriving = arriving.transpose(0, 1).contiguous()
        d_queries = torch.empty_like(queries)
        # a key is seen by many tiles, and the prefix by all segments: these sums run in float32
        d_keys, d_values = (torch.zeros_like(keys, dtype=log_sums.dtype) for _ in range(2))
        for tile in context.field.tiles:
            query, upper, key, value = flat(queries, tile), flat(arriving, tile), tile.take(keys), tile.take(values)
            probability, d_scores = context.kernels.softmax_backward(
                score(query, key, group),
                tile.mask,
                size**-0.5,
                score(upper, value, group),
                log_sums[:, tile.rows],
                delta[:, tile.rows],
            )
            probability, d_scores = probability.flatten(1, 2), d_scores.flatten(1, 2)
            torch.bmm(d_scores, key, out=flat(d_queries, tile))
            tile.give(d_keys, torch.bmm(d_scores.transpose(1, 2), query))
            tile.give(d_values, torch.bmm(probability.transpose(1, 2), upper))
        return d_queries, d_keys, d_values, None, None


class SegmentAttention(torch.autograd.Function):
    """The same in one call each way; it keeps the same."""

    @staticmethod
    def forward(context: Any, queries: Tensor, keys: Tensor, values: Tensor, span: Span, native: NativeAttention) -> Tensor:
        output, log_sums = native.forward(queries, keys, values, span)
        context.save_for_backward(queries, keys, values, output, log_sums)
        context.span, context.native = span, native
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *context.native.backward(context.saved_tensors, gradient.contiguous(), context.span), None, None
