"""Comparison: two models' replies to the same prompts in; who is better in what, with intervals and a noise floor, out.

Every prompt keeps its two scores together (paired), so how hard a prompt is falls out. The noise floor comes from the base
answering the same prompts a second time with another seed: what two runs of one model show as well says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from heedful.evaluation.checks import SHARE, Direction
from heedful.evaluation.intervals import Interval, estimate_mean
from heedful.evaluation.scorer import Scorer, Scores

Finding = Literal["better", "worse", "no difference shown", "no room", "not measured"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidate minus `against`, over `n` prompts. A win is a prompt on which the candidate scored better; ties count half.

    `noise` is the largest difference that two runs of the base may show (95 %). `no room`: the other is at the best value already.
    """

    check: str
    title: str
    unit: str
    direction: Direction
    against: str
    n: int
    difference: float | None
    interval: Interval | None
    wins: int
    losses: int
    win_rate: float | None
    win_interval: Interval | None
    noise: float | None
    finding: Finding


@dataclass(frozen=True, slots=True)
class Rival:
    """Another model and what its answers score, in the order of the candidate's."""

    name: str
    scores: Scores


def compare(known: Scorer, candidate: Scores, rival: Rival, noise: float | None) -> Comparison:
    """Over the prompts on which both have a score."""
    scores = pairs_of(candidate, rival.scores)
    sign = 1.0 if known.check.direction == "higher" else -1.0
    gains = [sign * (one - other) for one, other in scores]
    difference = estimate_mean([one - other for one, other in scores])
    wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    rate = estimate_mean([1.0 if gain > 0 else 0.0 if gain < 0 else 0.5 for gain in gains])
    return Comparison(
        check=known.check.name,
        title=known.check.title,
        unit=known.check.unit,
        direction=known.check.direction,
        against=rival.name,
        n=len(scores),
        difference=difference.value,
        interval=difference.interval,
        wins=wins,
        losses=losses,
        win_rate=rate.value,
        win_interval=rate.interval,
        noise=noise,
        finding=find(known, [other for _, other in scores], difference.value, difference.interval, noise),
    )


def find(
    known: Scorer, other: Sequence[float], difference: float | None, interval: Interval | None, noise: float | None
) -> Finding:
    if difference is None:
        return "not measured"
    improved = difference > 0 if known.check.direction == "higher" else difference < 0
    if interval is not None and not interval[0] <= 0 <= interval[1] and abs(difference) > (0.0 if noise is None else noise):
        return "better" if improved else "worse"
    best = 1.0 if known.check.direction == "higher" else 0.0
    return "no room" if known.check.unit.startswith(SHARE) and all(score == best for score in other) else "no difference shown"


def pairs_of(first: Scores, second: Scores) -> list[tuple[float, float]]:
    both = zip(first, second, strict=True)
    return [(float(one), float(other)) for one, other in both if one is not None and other is not None]


def noise_floor(first: Scores, again: Scores) -> float | None:
    """The larger end of the interval of the difference between two runs of one model; None without a second run."""
    pairs = pairs_of(first, again) if again else []
    if not pairs:
        return None
    found = estimate_mean([one - other for one, other in pairs])
    ends = (found.value,) if found.interval is None else found.interval
    return max(abs(end) for end in ends if end is not None)
