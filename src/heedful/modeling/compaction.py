"""Compaction: an adapter of many ranks in; the nearest one of fewer ranks, and how far it is away, out.

Notation: the update of a module is B A, with B [out, R] and A [R, in]. With B = Q_B R_B and A^T = Q_A R_A, its singular values are
those of the small matrix R_B R_A^T [R, R]; nothing of size [out, in] is ever made. Keeping the r largest is the best approximation
of rank r (Eckart and Young, 1936), and what is lost is the root of the sum of the squares of the others. Computed in float64.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from heedful.errors import ModelError
from heedful.modeling.stack import Adapter, Factors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Spectrum:
    """B A of one module as left [out, R] values [R] right [R, in], the largest value first."""

    left: "Tensor"
    values: "Tensor"
    right: "Tensor"

    def lost(self, rank: int) -> float:
        """Sum of squares that `rank` leaves out."""
        return float(self.values[rank:].square().sum())

    def factors(self, rank: int) -> Factors:
        """The root of each value goes to either side, so that both are of like size."""
        root = self.values[:rank].sqrt()
        return Factors((root[:, None] * self.right[:rank]).float(), (self.left[:, :rank] * root).float())


@dataclass(frozen=True, slots=True)
class Compacted:
    """`error` is the norm of what was left out, over that of the whole update, all modules together; `worst` of a single module."""

    adapter: Adapter
    error: float
    worst: float


def spectra(adapter: Adapter) -> dict[str, Spectrum]:
    return {name: decompose(factors) for name, factors in adapter.modules.items()}


def decompose(factors: Factors) -> Spectrum:
    import torch

    q_b, r_b = torch.linalg.qr(factors.b.double())
    q_a, r_a = torch.linalg.qr(factors.a.double().t())
    left, values, right = torch.linalg.svd(r_b @ r_a.t())
    count = min(r_b.shape[0], r_a.shape[0])
    return Spectrum(q_b @ left[:, :count], values[:count], right[:count] @ q_a.t())


def smallest_rank(found: Mapping[str, Spectrum], most: int, tolerance: float) -> int:
    """The smallest rank whose error over all modules together is within `tolerance`; `most` when there is none."""
    return next((rank for rank in range(1, most) if error_of(found, rank) <= tolerance), most)


def compact(adapter: Adapter, found: Mapping[str, Spectrum], rank: int) -> Compacted:
    """Raises ModelError for a rank that the adapter has not."""
    if not 1 <= rank <= adapter.rank:
        raise ModelError(f"rank {rank} is not within the {adapter.rank} of this adapter", "choose a smaller --rank")
    modules = {name: padded(spectrum.factors(rank), rank) for name, spectrum in found.items()}
    return Compacted(replace(adapter, rank=rank, modules=modules), error_of(found, rank), max(module_errors(found, rank)))


def padded(factors: Factors, rank: int) -> Factors:
    """With zeros where a narrow module has no such rank: all modules of an adapter have the same."""
    import torch

    lacking = rank - len(factors.a)
    if lacking == 0:
        return factors
    more_a, more_b = factors.a.new_zeros(lacking, factors.a.shape[1]), factors.b.new_zeros(len(factors.b), lacking)
    return Factors(torch.cat([factors.a, more_a]), torch.cat([factors.b, more_b], dim=1))


def error_of(found: Mapping[str, Spectrum], rank: int) -> float:
    whole = sum(spectrum.lost(0) for spectrum in found.values())
    return (sum(spectrum.lost(rank) for spectrum in found.values()) / whole) ** 0.5 if whole else 0.0


def module_errors(found: Mapping[str, Spectrum], rank: int) -> Iterator[float]:
    for spectrum in found.values():
        whole = spectrum.lost(0)
        yield (spectrum.lost(rank) / whole) ** 0.5 if whole else 0.0
