"""Packing: samples in; one row of tokens without padding out, what all samples begin with in it once.

    prefix | rest of sample 1 | rest of sample 2 | ...        every rest attends to the prefix and to itself

A causal mask needs nothing behind the last token that is predicted from, so tails are cut. A sample without supervised tokens
teaches nothing and is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from heedful.errors import TrainingError
from heedful.modeling.chat_template import Sample

SHORTEST_PREFIX = 8  # tokens; below, an extra segment costs more than it saves


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """T tokens of which S are supervised.

    ids, positions [T]; segments: (start, stop) of prefix, if there is one, and rests; prefix: its length, or 0.
    rows [S]: the tokens that predict, targets [S]: what they predict, owners [S]: the sample (index in the list that was packed).
    A row stands in `rows` more than once where the prefix predicts several samples' next tokens.
    """

    ids: Tensor
    positions: Tensor
    segments: tuple[tuple[int, int], ...]
    prefix: int
    rows: Tensor
    targets: Tensor
    owners: Tensor
    samples: int

    @property
    def tokens(self) -> int:
        return len(self.ids)

    @property
    def supervised(self) -> int:
        return len(self.targets)


def pack(samples: Sequence[Sample], device: torch.device | str = "cpu", share_prefix: bool = True) -> PackedBatch:
    """Pack a batch. Raises TrainingError when none of its tokens is supervised."""
    needed = {index: sample for index, sample in enumerate(samples) if count_predicted(sample) > 0}
    if not needed:
        raise TrainingError(
            f"a batch of {len(samples)} conversations has no supervised token", "check the dataset: heedful dataset"
        )
    prefix = common_prefix([sample.ids[: last_input(sample)] for sample in needed.values()]) if share_prefix else 0
    first = next(iter(needed.values()))
    ids, positions = list(first.ids[:prefix]), list(range(prefix))
    segments = [(0, prefix)] if prefix else []
    rows: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for index, sample in needed.items():
        start, end = len(ids), last_input(sample)
        ids += sample.ids[prefix:end]
        positions += range(prefix, end)
        segments += [(start, len(ids))] if len(ids) > start else []
        for token in range(1, end + 1):
            if sample.mask[token]:
                rows.append(token - 1 if token <= prefix else start + token - 1 - prefix)
                targets.append(sample.ids[token])
                owners.append(index)
    return PackedBatch(
        ids=torch.tensor(ids, device=device),
        positions=torch.tensor(positions, device=device),
        segments=tuple(segments),
        prefix=prefix,
        rows=torch.tensor(rows, device=device),
        targets=torch.tensor(targets, device=device),
        owners=torch.tensor(owners, device=device),
        samples=len(samples),
    )


def count_predicted(sample: Sample) -> int:
    """Supervised tokens that something stands before: the first token of a sample cannot be predicted."""
    return sum(sample.mask[1:])


def last_input(sample: Sample) -> int:
    """Tokens of the sample that are read: all before the last supervised one."""
    return len(sample.mask) - 1 - sample.mask[::-1].index(True)


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """Length of what all rows begin with; 0 for a single row, or when it is too short to be worth while."""
    if len(rows) < 2:
        return 0
    length = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False)))
    return length if length >= SHORTEST_PREFIX else 0
