"""A 5-gram model of the same tokens as a yardstick: prepared token streams in, held-out bits per byte per corpus out.

    python scripts/ngram_baseline.py --work /tmp/tiny

Interpolated Kneser-Ney with one discount an order (Chen & Goodman 1999, section 2.7), trained on every training token once.
N-grams are packed into 64-bit keys: 13 bits a token up to order 4, the rank of the 4-gram context before the last token of order 5.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tiny_corpora import CORPORA

ORDER, BITS, VOCABULARY = 5, 13, 8_192


@dataclass(frozen=True)
class Table:
    """N-grams of one order as sorted keys with (continuation) counts, and per context the sum of counts and the number of types."""

    keys: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    sums: np.ndarray
    types: np.ndarray
    discount: float


def make_table(keys: np.ndarray, counts: np.ndarray) -> Table:
    contexts, first = np.unique(keys >> BITS, return_index=True)
    ones, twos = int((counts == 1).sum()), int((counts == 2).sum())
    types = np.diff(np.append(first, len(keys)))
    return Table(keys, counts, contexts, np.add.reduceat(counts, first), types, ones / max(1, ones + 2 * twos))


def packed(ids: np.ndarray, order: int) -> np.ndarray:
    """Keys of all n-grams with `order` <= 4; entry i is the n-gram that starts at token i."""
    keys = np.zeros(len(ids) - order + 1, dtype=np.int64)
    for offset in range(order):
        keys = (keys << BITS) | ids[offset : len(ids) - order + 1 + offset].astype(np.int64)
    return keys


def fit(ids: np.ndarray) -> tuple[list[Table], np.ndarray]:
    """Tables of order 1 to 5, and the sorted distinct 4-gram contexts whose rank begins a 5-gram key."""
    contexts, ranks = np.unique(packed(ids, ORDER - 1)[:-1], return_inverse=True)
    keys, counts = np.unique((ranks.astype(np.int64) << BITS) | ids[ORDER - 1 :].astype(np.int64), return_counts=True)
    tables = [make_table(keys, counts)]
    suffix = (1 << BITS * (ORDER - 2)) - 1
    types = ((contexts[keys >> BITS] & suffix) << BITS) | (keys & (VOCABULARY - 1))
    for order in range(ORDER - 1, 0, -1):
        keys, counts = np.unique(types, return_counts=True)  # how many different tokens precede it
        tables.append(make_table(keys, counts))
        types = keys & ((1 << BITS * (order - 1)) - 1)
    return tables[::-1], contexts


def look_up(values: np.ndarray, table: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """values[i] where table[i] == wanted, else 0."""
    at = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return np.where(table[at] == wanted, values[at], 0)


def probabilities(ids: np.ndarray, tables: list[Table], contexts: np.ndarray) -> np.ndarray:
    """P(token | four tokens before) for every token from the fifth on."""
    found = np.full(len(ids) - ORDER + 1, 1 / VOCABULARY)
    for order, table in enumerate(tables, start=1):
        if order < ORDER:
            keys = packed(ids, order)[ORDER - order :]
        else:
            wanted = packed(ids, ORDER - 1)[:-1]
            at = np.minimum(np.searchsorted(contexts, wanted), len(contexts) - 1)
            keys = np.where(contexts[at] == wanted, (at.astype(np.int64) << BITS) | ids[ORDER - 1 :], -1)
        total = look_up(table.sums, table.contexts, keys >> BITS)
        own = np.maximum(look_up(table.counts, table.keys, keys) - table.discount, 0)
        back_off = table.discount * look_up(table.types, table.contexts, keys >> BITS) * found
        found = np.where(total > 0, (own + back_off) / np.maximum(total, 1), found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args().work
    sizes = json.loads((work / "sizes.json").read_text())
    tables, contexts = fit(np.concatenate([np.load(work / f"{c.name}.train.npy") for c in CORPORA]))
    figures = {}
    for corpus in CORPORA:
        ids = np.load(work / f"{corpus.name}.held_out.npy").astype(np.int64)
        bits = -np.log2(probabilities(ids, tables, contexts)).mean()
        figures[corpus.name] = round(float(bits) * len(ids) / sizes[corpus.name]["held_out_bytes"], 4)
    (work / "ngram.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
