"""Gate: checks in, one verdict out. What could not be measured never passes."""

from collections.abc import Sequence
from typing import Literal

from heedful.evaluation.checks import CheckResult

Verdict = Literal["passed", "failed"]


def failed_checks(checks: Sequence[CheckResult]) -> tuple[str, ...]:
    """Names of the blocking checks that refuse the promotion."""
    return tuple(check.check for check in checks if check.blocking and not check.passed)


def verdict(checks: Sequence[CheckResult]) -> Verdict:
    """Passed when there are blocking checks and every one of them passed."""
    return "passed" if any(check.blocking for check in checks) and not failed_checks(checks) else "failed"
