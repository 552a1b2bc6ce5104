"""Binary outcomes: who was served by what, and for whom it went well, in; an exact e-process and an exact confidence sequence out.

With y = 1 where it went well and m the share of such persons before, each person gives

    z = (y - m) / share  if served by the challenger,     z = -(y - m) / (1 - share)  if by the champion.

A person is drawn into a variant independently of everything before, so over the draw z has the mean d = challenger's share less
champion's, whatever m is and however the shares drift together. Whoever bets l on z, l chosen before, multiplies what they have
by 1 + l (z - d), whose mean is 1: the product is an e-process against "the difference is d" (Waudby-Smith and Ramdas 2024,
"Estimating means of bounded random variables by betting", J. R. Stat. Soc. B 86). The mean over several l is one too. Where the
variant does not matter at all, z has mean 0 given y, so for d = 0 the order in which outcomes become known does no harm either.

The bets are l = u / s with s² = m (1 - m) / (share (1 - share)), about the spread of z, for each u of `EFFECTS`: with d = 0 the
factor is the e-value of Turner, Ly and Grünwald (2024, "Generic E-variables for exact sequential k-sample tests that allow for
optional stopping", J. Stat. Plan. Inference 230, section 3) for two Bernoulli samples, p(y | b) / p(y | m) or p(y | a) / p(y | m)
with b - a = u s and share b + (1 - share) a = m. Their own estimates of a and b learn both; that cost a third more persons
(docs/log.md).
"""

import numpy as np

from heedful.companion.experiments.before import Floats, Marks, means_before

EFFECTS = tuple(sign * size for size in (0.05, 0.1, 0.2, 0.4, 0.8) for sign in (1, -1))  # differences in units of s, bet on alike
PRIOR = 2.0  # as if one person had been well and one not
BOLDNESS = 0.95  # the part of what it has that a bet may lose at once
STEP = 0.005  # of the differences that are tried
TINY = 1e-9


def log_e_process(challenger: Marks, well: Marks, share: float, difference: float = 0.0) -> Floats:
    """[..., n]: the logarithm of the e-process against "this is the difference", after each person."""
    return against(challenger, well, share, np.array([difference]))[..., 0]


def against(challenger: Marks, well: Marks, share: float, tried: Floats) -> Floats:
    """[..., n, d]: the logarithm of the e-process against each of d differences."""
    middle = means_before(np.ones_like(well), well.astype(np.float64), PRIOR, 0.5)
    seen = ((well - middle) * np.where(challenger, 1 / share, -1 / (1 - share)))[..., None]
    spread = np.sqrt(middle * (1 - middle) / (share * (1 - share)))[..., None]
    above = np.maximum((1 - middle) / share, middle / (1 - share))[..., None] - tried  # the most that z - d can be
    below = np.maximum(middle / share, (1 - middle) / (1 - share))[..., None] + tried  # and the most under nought
    gained: Floats | None = None
    for effect in EFFECTS:
        bet = np.clip(effect / spread, -BOLDNESS / np.maximum(above, TINY), BOLDNESS / np.maximum(below, TINY))
        one = np.cumsum(np.log1p(bet * (seen - tried)), axis=-2)
        gained = one if gained is None else np.logaddexp(gained, one)
    assert gained is not None, "there are effects"
    return np.asarray(gained - np.log(len(EFFECTS)))


def confidence_sequence(challenger: Marks, well: Marks, share: float, level: float) -> tuple[Floats, Floats]:
    """[n] and [n], of one experiment: low and high end of the difference after each person. What was refuted stays out."""
    tried = np.linspace(-1.0, 1.0, round(2 / STEP) + 1)
    e_values = np.maximum.accumulate(against(challenger, well, share, tried), axis=0)
    return ends(e_values < -np.log(level), tried, STEP)


def ends(kept: Marks, tried: Floats, step: float) -> tuple[Floats, Floats]:
    """[n] and [n]: first and last that is kept, a step outwards, for what lies between two tried ones is kept too.

    Where none is kept, which happens in less than `level` of all sequences, both are NaN.
    """
    first, last = np.argmax(kept, axis=1), len(tried) - 1 - np.argmax(kept[:, ::-1], axis=1)
    none = ~kept.any(axis=1)
    low, high = np.maximum(tried[first] - step, tried[0]), np.minimum(tried[last] + step, tried[-1])
    return np.where(none, np.nan, low), np.where(none, np.nan, high)
