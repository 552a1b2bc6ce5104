"""Checks: what is asked of a model in plain words, and what came out. A measurement and a gate in, a CheckResult out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from heedful.config import GateSettings
from heedful.drawing.scale import number
from heedful.evaluation.intervals import Estimate, Interval

Direction = Literal["lower", "higher"]  # which way is better
SHARE = "share of"  # units that begin like this are shown as per cent


@dataclass(frozen=True, slots=True)
class Check:
    """A question to a model. `title` and `meaning` are for a reader who is no engineer.

    `limit` reads the threshold from the gate. `blocking` refuses the promotion. `strict`: reaching the threshold is not enough.
    """

    name: str
    title: str
    meaning: str
    unit: str
    direction: Direction
    limit: Callable[[GateSettings], float]
    blocking: bool
    strict: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of a report: the tuned model's value, the base's beside it, and what was asked for.

    Intervals are 95 %. `value` is None when nothing could be measured, `interval` when there is too little to say.
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
    passed: bool
    blocking: bool


def judge(check: Check, gate: GateSettings, tuned: Estimate, base: Estimate) -> CheckResult:
    """Compare the tuned value with the threshold. The base is there to be read beside it and decides nothing."""
    threshold = check.limit(gate)
    return CheckResult(
        check=check.name,
        title=check.title,
        meaning=check.meaning,
        unit=check.unit,
        direction=check.direction,
        threshold=threshold,
        threshold_text=threshold_text(check, threshold),
        value=tuned.value,
        n=tuned.n,
        interval=tuned.interval,
        base_value=base.value,
        base_interval=base.interval,
        passed=holds(check, threshold, tuned.value),
        blocking=check.blocking,
    )


def holds(check: Check, threshold: float, value: float | None) -> bool:
    """What could not be measured does not hold."""
    if value is None:
        return False
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
