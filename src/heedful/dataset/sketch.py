"""Sketch: the words of a text in, its MinHash signature out; and from many signatures, the pairs that are worth comparing.

A signature has `VALUES` numbers. The share of places in which two signatures agree estimates the share of four-letter pieces that
two texts have in common (Jaccard similarity; Broder, 1997). Signatures that agree in all places of one band are candidates
(locality-sensitive hashing; Indyk and Motwani, 1998). A short text loses many pieces to one typing error, so short ones are
compared in narrower bands: there are few other short texts with so many pieces in common.

Each candidate is paired with its nearest predecessors in a band only, so time
and memory stay linear where thousands of texts are alike.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heedful.store.batches import batches

PIECE = 4  # characters
VALUES, BANDS = 128, 32
SHORT = 80  # pieces; texts with fewer are compared in narrow bands too
PREDECESSORS = 3
BANDS_AT_ONCE = 8  # whose pairs are in memory at once before each is kept once
WIDE, NARROW = 4, 2  # values a band
ROWS_AT_MOST, PAIRS_AT_ONCE = 2**31, 2_048
LEAST = 0.15, 0.3  # estimated share in common of a pair that is compared at all, when one of them is short, when both are long

Signature = NDArray[np.uint16]
Hashes = NDArray[np.uint32]

_draw = np.random.default_rng(20_261_120)  # part of what a signature is; another seed gives other signatures
MASKS: Hashes = _draw.integers(0, 2**32, (VALUES, 1), dtype=np.uint32)
FACTORS: Hashes = _draw.integers(0, 2**31, (VALUES, 1), dtype=np.uint32) * np.uint32(2) + np.uint32(1)


def pieces(text: Sequence[str]) -> Hashes:
    """Hashes of all pieces of four characters, each once. Blanks at both ends make short words count."""
    codes = np.frombuffer(f" {' '.join(text)} ".encode("utf-32-le"), dtype=np.uint32)
    if len(codes) < PIECE:
        codes = np.pad(codes, (0, PIECE - len(codes)))
    last = len(codes) - PIECE + 1
    hashed = codes[:last].copy()
    for offset in range(1, PIECE):
        hashed *= np.uint32(0x01000193)  # FNV
        hashed += codes[offset : last + offset]
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):  # mixed, so that near codes do not stay near
        hashed ^= hashed >> np.uint32(shift)
        hashed *= np.uint32(factor)
    hashed ^= hashed >> np.uint32(15)
    return np.unique(hashed)


def sketch(hashed: Hashes) -> Signature:
    """[VALUES] The smallest of all hashes under each of VALUES mixings, cut to its upper 16 bits."""
    smallest: Hashes = ((hashed ^ MASKS) * FACTORS).min(axis=1)
    return (smallest >> np.uint32(16)).astype(np.uint16)


class Rows(Protocol):
    """Signatures of many texts, which need not be in memory."""

    def blocks(self) -> Iterator[NDArray[np.uint16]]: ...
    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.uint16]: ...


def candidate_pairs(signatures: Rows, sizes: NDArray[np.uint16], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """[pairs, 2] Which of the `chosen` rows to compare, each pair once, the earlier row first. `sizes` counts pieces."""
    short = chosen[sizes[chosen] < SHORT]
    found = np.empty(0, np.int64)
    bands = [(rows, band * width, width) for rows, width in ((chosen, WIDE), (short, NARROW)) for band in range(BANDS)]
    for some in batches(bands, BANDS_AT_ONCE):
        found = each_once(np.concatenate([found, *(agreeing(signatures, *band) for band in some)]))
    pairs = np.stack(np.divmod(found, ROWS_AT_MOST), axis=1)
    return pairs[worth_comparing(signatures, sizes, pairs)]


def each_once(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """In order. By sorting: numpy's own way takes a table of hashes, which is slower on millions."""
    numbers.sort()
    return numbers[np.concatenate([[True], numbers[1:] != numbers[:-1]])] if len(numbers) else numbers


def agreeing(signatures: Rows, rows: NDArray[np.int64], start: int, width: int) -> NDArray[np.int64]:
    """Pairs of `rows` that have the same `width` values from `start` on, as one number a pair."""
    powers = np.uint64(1) << np.uint64(16) * np.arange(width, dtype=np.uint64)
    blocks = [block[:, start : start + width].astype(np.uint64) @ powers for block in signatures.blocks()]
    keys = np.concatenate([np.empty(0, np.uint64), *blocks])[rows]
    order = np.argsort(keys, kind="stable")  # stable: equal keys stay in the order of rows
    found = []
    for back in range(1, PREDECESSORS + 1):
        same = keys[order[back:]] == keys[order[:-back]]
        found.append(rows[order[:-back][same]] * ROWS_AT_MOST + rows[order[back:][same]])
    return np.concatenate(found)


def worth_comparing(signatures: Rows, sizes: NDArray[np.uint16], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """In blocks, so that the rows of all pairs are not in memory at once."""
    kept = np.empty(len(pairs), np.bool_)
    least = np.where((sizes[pairs] < SHORT).any(axis=1), *LEAST)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        block = slice(start, start + PAIRS_AT_ONCE)
        agree = signatures.rows(pairs[block, 0]) == signatures.rows(pairs[block, 1])
        kept[block] = agree.mean(axis=1) >= least[block]
    return kept
