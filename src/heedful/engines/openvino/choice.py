"""Scores of the next token of one reply in, the token out: the rules of `engines.next_token` in numpy, one reply at a time.

The same seed, prompt and scores give the same token as there; a test holds the two together.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from heedful.engines.base import Sampling
from heedful.engines.next_token import seed_of

if TYPE_CHECKING:
    import numpy as np

NUCLEUS = 512  # so many of the most likely tokens are sorted first; nearly always the nucleus lies within them


class TokenChoice:
    """Draws the tokens of one reply and remembers what its penalties need."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int]) -> None:
        self._sampling = sampling
        self._numbers = random.Random(seed_of(sampling.seed, prompt))
        self._reply: list[int] = []
        self._seen: set[int] = set()
        self._after: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)  # n-1 tokens -> what followed them

    def next(self, scores: "np.ndarray[Any, Any]") -> int:
        """`scores` [vocabulary] in float32; they are left as they are."""
        asked = self._sampling
        adjusted = self._penalise(scores)
        if asked.temperature == 0:
            token = int(adjusted.argmax())
        else:
            token = draw(adjusted / asked.temperature, asked.top_p, self._numbers.random())
        self._remember(token)
        return token

    def _penalise(self, scores: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        import numpy as np

        penalty, banned = self._sampling.repetition_penalty, self._banned()
        if (penalty == 1 or not self._seen) and not banned:
            return scores
        scores = scores.copy()
        if penalty != 1 and self._seen:
            seen = np.fromiter(self._seen, dtype=np.int64, count=len(self._seen))
            said = scores[seen]
            scores[seen] = np.where(said < 0, said * np.float32(penalty), said / np.float32(penalty))
        if banned:
            scores[list(banned)] = -np.inf
        return scores

    def _banned(self) -> set[int]:
        size = self._sampling.no_repeat_ngram
        if size == 0 or len(self._reply) < size - 1:
            return set()
        return self._after.get(tuple(self._reply[len(self._reply) - size + 1 :]), set())

    def _remember(self, token: int) -> None:
        size = self._sampling.no_repeat_ngram
        if size > 0 and len(self._reply) >= size - 1:
            self._after[tuple(self._reply[len(self._reply) - size + 1 :])].add(token)
        self._reply.append(token)
        self._seen.add(token)


def draw(scores: "np.ndarray[Any, Any]", top_p: float, number: float) -> int:
    """The token where the cumulative distribution of the nucleus reaches `number`, which is in [0, 1)."""
    import numpy as np

    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    count = min(NUCLEUS, len(weights))
    likely = np.argpartition(-weights, count - 1)[:count] if count < len(weights) else np.arange(len(weights))
    if count < len(weights) and weights[likely].sum() < top_p:
        likely = np.arange(len(weights))
    order = likely[np.argsort(-weights[likely], kind="stable")]
    ordered = weights[order]
    cumulative = np.cumsum(ordered)
    last = int(((cumulative - ordered < top_p) & (ordered > 0)).sum()) - 1
    return int(order[min(int(np.searchsorted(cumulative, number * cumulative[last], side="right")), last)])
