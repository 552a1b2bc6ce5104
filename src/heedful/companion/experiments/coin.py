"""Coin: yes or no, one after the other, in; an exact e-process against one share of yes, and its confidence sequence, out.

For blind comparisons (yes: the challenger's reply was preferred; by nobody's choice it stood left or right) and for whether
persons with an outcome are split as all persons were. Each yes or no is bet on with the share before it, as if one yes and one no
had come already: the product of the predictions is the mean of the likelihood over all shares (Laplace; a uniform mixture,
Robbins 1970), so divided by the likelihood of `chance` it is an e-process, and all shares that it does not refute are a
confidence sequence.
"""

import numpy as np

from heedful.companion.experiments.before import Floats, Marks, means_before
from heedful.companion.experiments.binary import ends

PRIOR = 2.0  # one yes and one no
STEP = 0.001


def log_predictions(yes: Marks) -> Floats:
    """[..., n]: the logarithm of the probability that the past gave to what came, summed."""
    said = means_before(np.ones_like(yes), yes.astype(np.float64), PRIOR, 0.5)
    return np.asarray(np.cumsum(np.log(np.where(yes, said, 1 - said)), axis=-1))


def log_e_process(yes: Marks, chance: float) -> Floats:
    """[..., n]: the logarithm of the e-process after each."""
    likelihood = np.cumsum(np.where(yes, np.log(chance), np.log1p(-chance)), axis=-1)
    return np.asarray(log_predictions(yes) - likelihood)


def confidence_sequence(yes: Marks, level: float) -> tuple[Floats, Floats]:
    """[n] and [n]: low and high end of the share of yes after each, of one sequence."""
    tried = np.linspace(STEP, 1 - STEP, round(1 / STEP) - 1)
    likelihood = np.cumsum(np.where(yes[:, None], np.log(tried), np.log1p(-tried)), axis=0)
    e_values = np.maximum.accumulate(log_predictions(yes)[:, None] - likelihood, axis=0)
    return ends(e_values < -np.log(level), tried, STEP)
