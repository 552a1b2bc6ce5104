"""Graded outcomes: who was served by what and how much they changed, in; an asymptotic confidence sequence of the difference out.

Each person gives z = (y - m) / share if served by the challenger and -(y - m) / (1 - share) by the champion, where m is made from
the persons before: over the draw z has the mean of what the challenger does to this person beyond the champion, whatever m is.
The running mean of z then has the confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024, "Time-uniform
central limit theory and asymptotic confidence sequences", Annals of Statistics 52, theorem 2.2; section 3 for randomised
experiments):

    mean of z  +-  s sqrt( 2 (t r² + 1) / (t² r²) log( sqrt(t r² + 1) / level ) ),

with s the running standard deviation of z and t the persons so far. It covers the running mean of the persons' effects, so drift
does no harm. Its zero lies outside exactly where exp( r² (sum of z / s)² / (2 (t r² + 1)) ) / sqrt(t r² + 1), the e-process of
the normal mixture (Robbins 1970), reaches 1 / level. Both hold for many persons, so nothing is said before each variant has
`FEWEST`.

r makes the sequence narrowest at `tuned_for` persons. With x = t r² its width grows with (1 + 1/x) log((x + 1) / level²), whose
derivative is nought where x = log((x + 1) / level²): found by iteration, for the right side is a contraction (its slope is 1 / (x
+ 1)).
"""

import numpy as np

from heedful.companion.experiments.before import Floats, Marks, means_before

FEWEST = 75  # persons of each variant before which nothing is said: with fewer, skewed outcomes stop too often (docs/log.md)
PRIOR = 2.0  # as if so many persons had not changed at all: the first means rest on more than one person


def pseudo_outcomes(challenger: Marks, values: Floats, share: float) -> Floats:
    """[..., n]: z of each person, in the unit of the outcome. Its mean is what the challenger does beyond the champion."""
    champion_before = means_before(~challenger, values, PRIOR, 0.0)
    challenger_before = means_before(challenger, values, PRIOR, 0.0)
    middle = share * champion_before + (1 - share) * challenger_before  # the other way round: this one has the least spread
    return np.asarray((values - middle) * np.where(challenger, 1 / share, -1 / (1 - share)))


def confidence_sequence(challenger: Marks, values: Floats, share: float, level: float, tuned_for: int) -> tuple[Floats, Floats]:
    """[..., n] and [..., n]: low and high end after each person; without end before `FEWEST` of each variant."""
    mean, deviation, count = moments(pseudo_outcomes(challenger, values, share))
    reach = count * tuning(level, tuned_for) ** 2 + 1
    half = deviation * np.sqrt(2 * reach / (count * (reach - 1)) * np.log(np.sqrt(reach) / level))
    half = np.where(enough(challenger), half, np.inf)
    return mean - half, mean + half


def log_e_process(challenger: Marks, values: Floats, share: float, level: float, tuned_for: int) -> Floats:
    """[..., n]: the logarithm of the asymptotic e-process against "no difference"; nought before `FEWEST` of each."""
    mean, deviation, count = moments(pseudo_outcomes(challenger, values, share))
    tuned = tuning(level, tuned_for) ** 2
    score = np.divide(count * mean, deviation, out=np.zeros_like(mean), where=deviation > 0)
    logs = tuned * score**2 / (2 * (count * tuned + 1)) - np.log(count * tuned + 1) / 2
    return np.where(enough(challenger), logs, 0.0)


def moments(z: Floats) -> tuple[Floats, Floats, Floats]:
    """Running mean, standard deviation and count."""
    count = np.arange(1, z.shape[-1] + 1, dtype=np.float64)
    mean = np.cumsum(z, axis=-1) / count
    square = np.cumsum(z**2, axis=-1) / count
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0)), np.broadcast_to(count, z.shape)


def enough(challenger: Marks) -> Marks:
    """[..., n]: whether each variant had `FEWEST` persons by then."""
    return np.asarray(np.minimum(np.cumsum(challenger, axis=-1), np.cumsum(~challenger, axis=-1)) >= FEWEST)


def tuning(level: float, tuned_for: int) -> float:
    """r of the formula above."""
    x = 1.0
    for _ in range(100):
        x = float(np.log((x + 1) / level**2))
    return float(np.sqrt(x / tuned_for))
