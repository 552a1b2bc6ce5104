"""Spikes: the loss of each step in; whether training has come apart, out.

Losses of steps differ, because conversations do. So a loss only counts as high when it is above what the recent steps spread over
(median plus 8 robust deviations, https://doi.org/10.1016/j.jesp.2013.03.013) and a quarter above what the untrained base has on the
same data. Ten high ones in a row are a spike; so is a single one above twice the base's loss and a nat. A batch of hard
conversations is neither. High losses do not enter the window, or a slow collapse would become usual.
"""

import statistics
from collections.abc import Sequence

WINDOW, FEWEST = 50, 10  # losses that are looked back on, and how many are needed to speak of usual ones
DEVIATIONS, TO_SIGMA = 8.0, 1.4826  # the median absolute deviation of a normal distribution, times this, is its sigma
ABOVE_BASE, IN_A_ROW = 1.25, 10
GROSS, GROSS_MORE = 2.0, 1.0  # times the base's loss, and nats


def is_high(loss: float, recent: Sequence[float], base: float) -> bool:
    """`recent`: usual losses before this one; with fewer than FEWEST of them nobody can say what is usual."""
    if loss <= ABOVE_BASE * base or len(recent) < FEWEST:
        return False
    middle = statistics.median(recent)
    spread = TO_SIGMA * statistics.median(abs(one - middle) for one in recent)
    return loss > middle + DEVIATIONS * spread


def is_gross(loss: float, base: float) -> bool:
    return loss > GROSS * base + GROSS_MORE
