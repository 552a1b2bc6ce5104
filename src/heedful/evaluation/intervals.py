"""Intervals: counts or per-reply numbers in, an estimate with n, a 95 % interval and one-sided bounds out. No lone means.

Notation: n is the number of replies (or conversations), k the number of those that show something, z the normal quantile. The
interval is for a reader, who wants to see both ends. The bounds are for the gate, which asks one question: how bad may it be? Each
of the two holds with 95 % on its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, lgamma, log, log1p, sqrt

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054  # normal quantile at 97.5 %
MISS = 0.05  # a one-sided bound is wrong in one case of twenty
RESAMPLES = 2_000
AT_ONCE = 1 << 20  # numbers that are drawn in one piece: bounds the memory
ALIKE = 10  # so many equal values are taken for a value without spread; fewer say nothing of it
SEED = 7  # fixed: the same numbers give the same interval, on every machine

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value. `value` is None when nothing could be measured; `interval` and `bounds` when n is too small to say."""

    value: float | None
    n: int
    interval: Interval | None
    bounds: Interval | None = None  # one-sided, 95 % each


NOTHING = Estimate(None, 0, None)


def wilson(k: int, n: int) -> Interval:
    """95 % score interval of a share (Wilson 1927). Unlike the usual plus-minus it stays honest at 0 % and 100 %."""
    share = k / n
    scale = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 * sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2)) / scale
    return (0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def exact_bounds(k: int, n: int) -> Interval:
    """One-sided 95 % bounds of a share (Clopper and Pearson 1934). With k = 0 the upper one is close to 3/n, the rule of three."""
    return (1.0 - upper_bound(n - k, n), upper_bound(k, n))


def upper_bound(k: int, n: int) -> float:
    """The largest share under which k or fewer of n still happen in one case of twenty."""
    if k == n:
        return 1.0
    low, high = k / n, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if share_at_most(k, n, middle) > MISS else (low, middle)
    return high


def share_at_most(k: int, n: int, share: float) -> float:
    """Probability of k or fewer among n. In logarithms, so that large n do not run out of numbers."""
    ways = (lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) for i in range(k + 1))
    return fsum(exp(log_ways + i * log(share) + (n - i) * log1p(-share)) for i, log_ways in enumerate(ways))


def estimate_share(marks: Sequence[bool]) -> Estimate:
    """Share of True."""
    if not marks:
        return NOTHING
    k, n = sum(marks), len(marks)
    return Estimate(k / n, n, wilson(k, n), exact_bounds(k, n))


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Mean with a bootstrap interval over the values."""
    return estimate_ratio(values, [1.0] * len(values))


def estimate_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """Sum of numerators over sum of denominators, with the percentile bootstrap (Efron 1979) over the pairs.

    Each pair is one independent unit, for instance one conversation: what is saved in nats, and its tokens. A number that is not
    finite gives an estimate without a value, so that no check can pass on it.
    """
    n = len(numerators)
    if n == 0 or sum(denominators) == 0:
        return NOTHING
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    value = float(top.sum() / bottom.sum())
    if not isfinite(value):
        return Estimate(None, n, None)
    if np.allclose(top, value * bottom):  # one pair, or pairs that are all alike: drawing them again shows no spread
        return Estimate(value, n, None, (value, value) if n >= ALIKE else None)
    ratios = [top[places].sum(axis=1) / bottom[places].sum(axis=1) for places in draws(n)]
    return drawn(value, n, np.concatenate(ratios))


def draws(n: int) -> Iterator[NDArray[np.int64]]:
    """RESAMPLES times n of n places with replacement, [some, n] at a time: one by one is mostly calls of functions."""
    generator = np.random.default_rng(SEED)
    some = max(1, AT_ONCE // n)
    for start in range(0, RESAMPLES, some):
        yield generator.integers(0, n, (min(some, RESAMPLES - start), n))


def drawn(value: float, n: int, resampled: Sequence[float] | NDArray[np.float64]) -> Estimate:
    """Percentile intervals of resampled values."""
    low, high, at_least, at_most = (float(edge) for edge in np.quantile(resampled, [0.025, 0.975, MISS, 1 - MISS]))
    return Estimate(value, n, (low, high), (at_least, at_most))


def estimate_difference(first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]) -> Estimate:
    """Ratio of sums of `first` minus that of `second`, each made of (numerator, denominator) pairs of other conversations.

    The percentile bootstrap draws both sides independently; `n` is the smaller one. Not finite: no value.
    """
    if sum(bottom for _, bottom in first) == 0 or sum(bottom for _, bottom in second) == 0:
        return NOTHING
    sides, n = [np.asarray(side, dtype=np.float64) for side in (first, second)], min(len(first), len(second))
    one, other = (side.sum(axis=0) for side in sides)
    value = float(one[0] / one[1] - other[0] / other[1])
    if not isfinite(value):
        return Estimate(None, n, None)
    if n < 2:
        return Estimate(value, n, None)
    generator = np.random.default_rng(SEED)
    sums = [[side[generator.integers(0, len(side), len(side))].sum(axis=0) for _ in range(RESAMPLES)] for side in sides]
    ratios = [np.array([top / bottom for top, bottom in draws]) for draws in sums]
    return drawn(value, n, ratios[0] - ratios[1])
