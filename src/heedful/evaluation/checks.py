"""Checks: what is asked of a model in plain words, and what came out, as values. `judging` makes the one into the other."""

from dataclasses import dataclass
from typing import Literal

from heedful.config import Level
from heedful.drawing.scale import number
from heedful.evaluation.intervals import Interval

Direction = Literal["lower", "higher"]  # which way is better
Outcome = Literal["pass", "fail", "inconclusive"]
SHARE = "share of"  # units that begin like this are shown as per cent


@dataclass(frozen=True, slots=True)
class Check:
    """A question to a model. `title` and `meaning` are for a reader who is no engineer.

    `limit` and `blocking` are what it asks for unless the policy says otherwise (see `policy`). `strict`: reaching the limit is not
    enough. `slack` None is the policy's for shares, and none for other units. `least`: below so many, nothing is said.
    """

    name: str
    title: str
    meaning: str
    unit: str
    direction: Direction
    limit: float
    blocking: bool
    strict: bool = False
    slack: float | None = None
    least: int = 5


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of a report: the tuned model's value, the base's beside it, what was asked for, and what follows.

    Intervals are 95 %. `value` is None when nothing could be measured, `interval` when there is too little to say. `bound` is the
    worst true value that the evidence leaves open (one-sided, 95 %); it may reach `bound_limit`. `why` tells what an inconclusive
    check lacks.
    """

    check: str
    title: str
    meaning: str
    unit: str
    direction: Direction
    threshold: float
    threshold_text: str
    value: float | None
    n: int
    interval: Interval | None
    base_value: float | None
    base_interval: Interval | None
    outcome: Outcome
    level: Level
    bound: float | None = None
    bound_limit: float | None = None
    why: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome == "pass"

    @property
    def blocking(self) -> bool:
        return self.level == "blocking"


def holds(check: Check, threshold: float, value: float) -> bool:
    if check.strict:
        return value < threshold if check.direction == "lower" else value > threshold
    return value <= threshold if check.direction == "lower" else value >= threshold


def threshold_text(check: Check, threshold: float) -> str:
    """`at most 5%`, `none`, `above 0 nats a token`."""
    if threshold == 0 and check.direction == "lower" and not check.strict:
        return "none"
    strictly, otherwise = ("below", "at most") if check.direction == "lower" else ("above", "at least")
    return f"{strictly if check.strict else otherwise} {quantity(threshold, check.unit)}"


def quantity(value: float | None, unit: str) -> str:
    """A value as people write it: shares as per cent, other numbers with their unit. None is a dash."""
    if value is None:
        return "–"
    return per_cent(value) if unit.startswith(SHARE) else f"{number(value)} {unit}"


def per_cent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + "%"
