"""Scores of the next token in, scores that leave exactly one token out: penalties, temperature, nucleus and the draw.

The draw is ours, not the library's, for two reasons. Every row of a batch has its own random numbers, so a seed gives the same
reply alone, streamed or in a batch. And penalties see the reply only: a prompt is full of end-of-turn tokens, names and addresses,
and a model that is punished for them does not stop and cannot say them.
"""

import hashlib
import random
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from heedful.engines.base import Sampling

if TYPE_CHECKING:
    from torch import Tensor

MOST_LIKELY = 1_024  # tokens
Scorer = Callable[["Tensor", "Tensor"], "Tensor"]


class NextToken:
    """A function of (ids [rows, tokens], scores [rows, vocabulary]) for `generate(logits_processor=[...])`, to be run greedily.

    `prompt_tokens` is the padded width of all prompts. An end-of-turn token ends a reply, so it never stands in one: neither rule
    can punish or ban it.
    """

    def __init__(self, prompt_tokens: int, sampling: Sampling, prompts: Sequence[Sequence[int]]) -> None:
        from transformers import NoRepeatNGramLogitsProcessor, RepetitionPenaltyLogitsProcessor

        self._prompt_tokens, self._sampling = prompt_tokens, sampling
        self._rules: list[Scorer] = []
        if sampling.repetition_penalty != 1:
            self._rules.append(RepetitionPenaltyLogitsProcessor(float(sampling.repetition_penalty)))
        if sampling.no_repeat_ngram > 0:
            self._rules.append(NoRepeatNGramLogitsProcessor(sampling.no_repeat_ngram))
        self._numbers = [random.Random(seed_of(sampling.seed, prompt)) for prompt in prompts]

    def keep(self, rows: Sequence[int]) -> None:
        """Only these are asked for from now on; each goes on with its own numbers."""
        self._numbers = [self._numbers[row] for row in rows]

    def __call__(self, ids: "Tensor", scores: "Tensor") -> "Tensor":
        reply = ids[:, self._prompt_tokens :]
        for rule in self._rules:
            scores = rule(reply, scores)
        if self._sampling.temperature == 0:
            return scores
        chosen = draw(scores / self._sampling.temperature, self._sampling.top_p, [row.random() for row in self._numbers])
        return scores.new_full(scores.shape, float("-inf")).scatter_(1, chosen, 0.0)


def draw(scores: "Tensor", top_p: float, numbers: Sequence[float]) -> "Tensor":
    """One token id a row, [rows, 1], by inverting the cumulative distribution of the nucleus at a number in [0, 1).

    The nucleus is the smallest set of most likely tokens that holds `top_p` of the probability (https://arxiv.org/abs/1904.09751).
    """
    import torch

    probabilities, order = likely(scores.softmax(dim=-1), top_p)
    cumulative = probabilities.cumsum(dim=-1)
    kept = (cumulative - probabilities < top_p) & (probabilities > 0)
    last = kept.sum(dim=-1, keepdim=True) - 1
    mass = cumulative.gather(1, last)
    points = torch.tensor(numbers, dtype=scores.dtype, device=scores.device).unsqueeze(1) * mass
    return order.gather(1, torch.minimum(torch.searchsorted(cumulative, points, right=True), last))


def likely(probabilities: "Tensor", top_p: float) -> tuple["Tensor", "Tensor"]:
    """The most likely tokens in falling order, with their ids: a thousand where they hold the nucleus of every row, else all.

    To sort a whole vocabulary for every token was a quarter of the time of a small model.
    """
    if probabilities.shape[-1] > MOST_LIKELY:
        values, order = probabilities.topk(MOST_LIKELY, dim=-1)
        if bool((values.sum(dim=-1) > top_p).all()):
            return values, order
    values, order = probabilities.sort(dim=-1, descending=True)
    return values, order


def seed_of(seed: int | None, prompt: Sequence[int]) -> int:
    """A seed for one chat. The prompt is mixed in, else every chat of an evaluation would be drawn with the same numbers."""
    if seed is None:
        return secrets.randbits(63)
    return int.from_bytes(hashlib.sha256(f"{seed}:{list(prompt)}".encode()).digest()[:8])
