"""Parity: a network of transformers and the file made of it in; the proof that both say the same tokens, or an error, out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.engines.openvino.blocks import BLOCK
from heedful.engines.openvino.network import PagedNetwork, Part
from heedful.errors import ModelError
from heedful.modeling.greedy import TIE, TOKENS, prompts_of, reference
from heedful.modeling.protect import Tokenizer


@dataclass(frozen=True, slots=True)
class Proof:
    """`prompts` were continued greedily; `tokens` were compared and equal; `ties` prompts ended early in a draw of two tokens."""

    prompts: int
    tokens: int
    ties: int


def prove(network: Any, tokenizer: Tokenizer, model: Path) -> Proof:
    """Both in float32 and greedy, for QUESTIONS. Raises ModelError at the first token that differs."""
    prompts = prompts_of(tokenizer)
    longest = max(map(len, prompts)) + TOKENS
    ours = PagedNetwork(model, longest + BLOCK, exact=True)
    compared = ties = 0
    for number, prompt in enumerate(prompts):
        both = zip(greedy(ours, prompt, TOKENS), reference(network, prompt, TOKENS), strict=True)
        for place, (mine, (token, lead)) in enumerate(both):
            if mine == token:
                compared += 1
            elif lead < TIE:
                ties += 1
                break
            else:
                raise ModelError(
                    f"the model as OpenVINO reads it says another token than transformers, at place {place} of prompt {number}",
                    "set serving.engine: transformers, and report this base",
                )
    return Proof(len(prompts), compared, ties)


def greedy(network: PagedNetwork, prompt: Sequence[int], tokens: int) -> Iterator[int]:
    """The prompt in two parts, then a token a pass: the ways in which the scheduler asks."""
    blocks = list(range(network.blocks))
    half = len(prompt) // 2
    network.forward([Part(prompt[:half], 0, blocks)])
    new, past = list(prompt[half:]), half
    for _ in range(tokens):
        scores = network.forward([Part(new, past, blocks)])
        past += len(new)
        new = [int(scores[0].argmax())]
        yield new[0]
