"""Intervals: counts or per-reply numbers in, an estimate with n and a 95 % interval out. No lone means.

Notation: n is the number of replies (or conversations), k the number of those that show something, z the normal quantile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

Z_95 = 1.959963984540054  # normal quantile at 97.5 %
RESAMPLES = 2_000
SEED = 7  # fixed: the same numbers give the same interval, on every machine

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value. `value` is None when nothing could be measured; `interval` when n is too small to say."""

    value: float | None
    n: int
    interval: Interval | None


NOTHING = Estimate(None, 0, None)


def wilson(k: int, n: int) -> Interval:
    """95 % score interval of a share (Wilson 1927). Unlike the usual plus-minus it stays honest at 0 % and 100 %."""
    share = k / n
    scale = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 * sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2)) / scale
    return (0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def estimate_share(marks: Sequence[bool]) -> Estimate:
    """Share of True."""
    if not marks:
        return NOTHING
    k, n = sum(marks), len(marks)
    return Estimate(k / n, n, wilson(k, n))


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
        return Estimate(value, n, None)
    generator = np.random.default_rng(SEED)
    draws = (generator.integers(0, n, n) for _ in range(RESAMPLES))
    low, high = np.quantile([top[draw].sum() / bottom[draw].sum() for draw in draws], [0.025, 0.975])
    return Estimate(value, n, (float(low), float(high)))


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
    drawn = [[side[generator.integers(0, len(side), len(side))].sum(axis=0) for _ in range(RESAMPLES)] for side in sides]
    ratios = [np.array([top / bottom for top, bottom in draws]) for draws in drawn]
    low, high = np.quantile(ratios[0] - ratios[1], [0.025, 0.975])
    return Estimate(value, n, (float(low), float(high)))
