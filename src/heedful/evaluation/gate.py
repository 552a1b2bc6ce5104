"""Gate: checks in, one verdict out. What could not be measured, or not well enough, never passes."""

from collections.abc import Sequence
from typing import Literal

from heedful.evaluation.checks import CheckResult

Verdict = Literal["passed", "failed", "inconclusive"]


def failed_checks(checks: Sequence[CheckResult]) -> tuple[str, ...]:
    """Names of the blocking checks that do not hold."""
    return tuple(check.check for check in checks if check.blocking and check.outcome == "fail")


def open_checks(checks: Sequence[CheckResult]) -> tuple[str, ...]:
    """Names of the blocking checks that nothing can be said of. They refuse a promotion like those that failed."""
    return tuple(check.check for check in checks if check.blocking and check.outcome == "inconclusive")


def verdict(checks: Sequence[CheckResult]) -> Verdict:
    """Passed when there are blocking checks and every one of them passed; failed when one of them failed."""
    if failed_checks(checks):
        return "failed"
    blocking = [check for check in checks if check.blocking]
    return "passed" if blocking and not open_checks(checks) else "inconclusive"
