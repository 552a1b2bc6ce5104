"""Matrices in; the same in eight bits, each row with a step of its own, out: half the memory that a token has to read.

Symmetric, a row at a time: a weight is a whole number from -127 to 127 times the row's step, as in Dettmers et al., "LLM.int8()"
(2022), section 2.1, and in GGUF's Q8_0, which has a step for every 32 weights. Rounding twice changes nothing more.
"""

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Weights = Literal["float16", "int8"]
DEFAULT_WEIGHTS: Weights = "float16"  # what every network that can be merged bears

MOST = 127
LEAST_STEP = 2.0**-24  # the smallest float16 above zero: a row of zeros has this step


def rounded_rows(matrix: "np.ndarray[Any, Any]") -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """`matrix` [rows, columns] in float32; whole numbers [rows, columns] in int8 and steps [rows, 1] in float16."""
    import numpy as np

    largest = np.abs(matrix).max(axis=1, keepdims=True)
    steps = np.maximum(largest / MOST, LEAST_STEP).astype(np.float16)
    return np.clip(np.rint(matrix / steps.astype(np.float32)), -MOST, MOST).astype(np.int8), steps


def round_network(network: Any) -> None:
    """Every matrix of a transformers network on the CPU, in place: it then says what the rounded model says."""
    import torch

    for parameter in network.parameters():
        if parameter.ndim == 2:
            numbers, steps = rounded_rows(parameter.detach().float().numpy())
            parameter.data = (torch.from_numpy(numbers).float() * torch.from_numpy(steps).float()).to(parameter.dtype)
