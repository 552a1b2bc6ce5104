"""Judging: a check, a policy and two measurements in; pass, fail or inconclusive, with the reason, out.

A check fails when what was measured is beyond the limit. It passes when the limit is kept and the evidence also rules out a true
value that is much worse: the one-sided 95 % bound stays within the slack. All else is inconclusive: too few replies, no spread to
reckon with, nothing measured, or a comparison that the base leaves no room for. Inconclusive never counts as passed.
"""

from heedful.config import GateSettings
from heedful.evaluation.checks import Check, CheckResult, Outcome, holds, quantity, threshold_text
from heedful.evaluation.intervals import Estimate
from heedful.evaluation.policy import Rule, rule_for


def judge(check: Check, gate: GateSettings, tuned: Estimate, base: Estimate, lacking: str = "") -> CheckResult:
    """Compare the tuned value with the limit. The base is there to be read beside it and decides nothing.

    `lacking` says why the check could not be made, or can show nothing whatever it measures.
    """
    rule = rule_for(check, gate)
    outcome, why = weigh(check, rule, tuned)
    if lacking and outcome != "fail":
        outcome, why = "inconclusive", lacking
    return CheckResult(
        check=check.name,
        title=check.title,
        meaning=check.meaning,
        unit=check.unit,
        direction=check.direction,
        threshold=rule.limit,
        threshold_text=threshold_text(check, rule.limit),
        value=tuned.value,
        n=tuned.n,
        interval=tuned.interval,
        base_value=base.value,
        base_interval=base.interval,
        outcome=outcome,
        level=rule.level,
        bound=worst(check, tuned),
        bound_limit=bound_limit(check, rule),
        why=why,
    )


def weigh(check: Check, rule: Rule, tuned: Estimate) -> tuple[Outcome, str]:
    if tuned.value is None:
        return "inconclusive", "it could not be measured"
    if not holds(check, rule.limit, tuned.value):
        return "fail", ""
    if tuned.n < rule.least:
        return "inconclusive", f"it was measured {tuned.n} times, and {rule.least} are needed"
    bound = worst(check, tuned)
    if bound is None:
        return "inconclusive", f"{tuned.n} measurements show no spread to reckon with"
    if not holds(check, bound_limit(check, rule), bound):
        may, allowed = quantity(bound, check.unit), quantity(bound_limit(check, rule), check.unit)
        return "inconclusive", f"with n = {tuned.n} the true value may still be {may}, and {allowed} is the most that may stay open"
    return "pass", ""


def worst(check: Check, tuned: Estimate) -> float | None:
    """The one-sided bound on the bad side."""
    if tuned.bounds is None:
        return None
    return tuned.bounds[1] if check.direction == "lower" else tuned.bounds[0]


def bound_limit(check: Check, rule: Rule) -> float:
    return rule.limit + rule.slack if check.direction == "lower" else rule.limit - rule.slack
