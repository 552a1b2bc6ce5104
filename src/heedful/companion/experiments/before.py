"""Before: values in; what was known of their mean before each of them, out. Bets may rest on the past only."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]


def means_before(marks: Marks, values: Floats, weight: float, centre: float) -> Floats:
    """[..., n]: the mean of the marked values before each place, drawn towards `centre` as if by `weight` further values."""
    counted: Floats = np.cumsum(marks, axis=-1) - marks
    kept = np.where(marks, values, 0.0)
    return np.asarray((weight * centre + np.cumsum(kept, axis=-1) - kept) / (weight + counted))
