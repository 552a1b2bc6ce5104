"""Variety: do all replies begin alike and use the same words? Counted over all replies of one model."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from heedful.evaluation.intervals import Estimate, estimate_ratio, estimate_share
from heedful.evaluation.scorer import Answer, Scores, set_scorer
from heedful.evaluation.scorers.words import words

OPENING = 3  # words
FEWEST_PAIRS = 1


def share_of_marks(answers: Sequence[Answer], scores: Scores) -> Estimate:
    return estimate_share([score == 1 for score in scores])


def distinct_pairs(answers: Sequence[Answer], scores: Scores) -> Estimate:
    """Different pairs of words over all pairs: each pair gives 1/k to each of the k places where it stands."""
    counts = pair_counts(answers)
    shares = [[1 / counts[pair] for pair in pairs(answer)] for answer in answers]
    return estimate_ratio([sum(own) for own in shares], [float(len(own)) for own in shares])


@set_scorer(
    title="Replies that begin alike",
    meaning="The share of replies that begin with the three words with which most of them begin. A collapsed model greets "
    "everybody with the same sentence.",
    flag="begins like the others",
    unit="share of replies",
    direction="lower",
    limit=0.5,
    blocking=False,
    estimate=share_of_marks,
    together=True,
)
def opener_collapse(answers: Sequence[Answer]) -> Scores:
    """1.0 for a reply that begins with the most frequent opening; None for one of fewer than three words."""
    openings = [tuple(words(answer.said)[:OPENING]) for answer in answers]
    counts = Counter(opening for opening in openings if len(opening) == OPENING)
    if not counts:
        return [None] * len(answers)
    most = min(counts, key=lambda opening: (-counts[opening], opening))
    return [None if len(opening) < OPENING else 1.0 if opening == most else 0.0 for opening in openings]


@set_scorer(
    title="Variety of wording",
    meaning="Of all pairs of neighbouring words in all replies, how many are different ones (distinct-2). It falls when replies "
    "repeat one another.",
    flag="worded like the others",
    unit="share of word pairs",
    direction="higher",
    limit=0.2,
    blocking=False,
    estimate=distinct_pairs,
    together=True,
)
def distinct_2(answers: Sequence[Answer]) -> Scores:
    """Mean of 1/k over a reply's pairs, k being how often each stands in all replies (Li et al. 2016, counted a reply)."""
    counts = pair_counts(answers)
    found = [pairs(answer) for answer in answers]
    return [sum(1 / counts[pair] for pair in own) / len(own) if len(own) >= FEWEST_PAIRS else None for own in found]


def pair_counts(answers: Sequence[Answer]) -> Counter[tuple[str, str]]:
    return Counter(pair for answer in answers for pair in pairs(answer))


def pairs(answer: Answer) -> list[tuple[str, str]]:
    found = words(answer.said)
    return list(pairwise(found))
