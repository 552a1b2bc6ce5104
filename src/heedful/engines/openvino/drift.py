"""A network and the file of its rounded self in; by how much the file's next tokens are distributed otherwise, or an error, out.

The measure is the mean Kullback-Leibler divergence, in nats, of the file as it will run (weights of eight bits, and what they are
multiplied with rounded too) from the network before, at each token of a few replies. To compute in
bfloat16 costs the tiny base .0001.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.engines.openvino.blocks import BLOCK
from heedful.engines.openvino.network import PagedNetwork, Part
from heedful.errors import ModelError
from heedful.modeling.greedy import TOKENS, prompts_of, reference
from heedful.modeling.protect import Tokenizer

if TYPE_CHECKING:
    import numpy as np

LARGEST = 0.01  # nats


@dataclass(frozen=True, slots=True)
class Scored:
    """`scores` [tokens, vocabulary] stand where each of `said` was to come, behind `prompt`."""

    prompt: Sequence[int]
    said: Sequence[int]
    scores: "np.ndarray[Any, Any]"


def scores_of(network: Any, tokenizer: Tokenizer) -> list[Scored]:
    """What a transformers network says to the questions of the proof, greedily, and all that it might have said."""
    import torch

    found = []
    for prompt in prompts_of(tokenizer):
        said = [token for token, _ in reference(network, prompt, TOKENS)]
        with torch.no_grad():
            logits = network(input_ids=torch.tensor([[*prompt, *said[:-1]]]), use_cache=False).logits[0, len(prompt) - 1 :]
        found.append(Scored(prompt, said, logits.float().numpy()))
    return found


def drift_from(expected: Sequence[Scored], model: Path) -> float:
    """Raises ModelError when it is beyond LARGEST."""
    import numpy as np

    longest = max(len(one.prompt) + len(one.said) for one in expected)
    network = PagedNetwork(model, longest + BLOCK, weights="int8")
    drift = float(np.mean(np.concatenate([divergence(one.scores, scores_behind(network, one)) for one in expected])))
    if not drift <= LARGEST:
        raise ModelError(
            f"rounded to eight bits the model's tokens are distributed otherwise by {drift:.3f} nats, and {LARGEST} are allowed",
            "set serving.weights: float16",
        )
    return drift


def scores_behind(network: PagedNetwork, one: Scored) -> "np.ndarray[Any, Any]":
    import numpy as np

    blocks, new, past, rows = range(network.blocks), list(one.prompt), 0, []
    for token in one.said:
        rows.append(network.forward([Part(new, past, blocks)])[0].copy())
        past, new = past + len(new), [token]
    return np.stack(rows)


def divergence(expected: "np.ndarray[Any, Any]", found: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """KL(expected || found) of each row of scores, in nats."""
    import torch

    sure, other = (torch.from_numpy(scores).double().log_softmax(dim=-1) for scores in (expected, found))
    apart: np.ndarray[Any, Any] = (sure.exp() * (sure - other)).sum(dim=-1).numpy()
    return apart
