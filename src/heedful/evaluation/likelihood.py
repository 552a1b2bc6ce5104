"""Likelihood: the test split's NLL under base and tuned in, the gain with a paired interval and its check out."""

from math import isfinite

from heedful.config import GateSettings
from heedful.evaluation.checks import Check, CheckResult
from heedful.evaluation.gain import estimate_gain
from heedful.evaluation.intervals import NOTHING, Estimate
from heedful.evaluation.judging import judge
from heedful.evaluation.report import LikelihoodResult
from heedful.modeling.likelihood import Nll

SURE = 0.1  # nats a token; a base below it leaves no room to be better
NLL_GAIN = Check(
    name="nll_gain",
    title="Closer to the team's own answers",
    meaning="How much better than its base the tuned model foresees the answers that were really given. It must be better.",
    unit="nats a token",
    direction="higher",
    limit=0.0,
    blocking=True,
    strict=True,
)


def judge_likelihood(tuned: Nll | None, base: Nll | None, gate: GateSettings) -> tuple[CheckResult, LikelihoodResult | None]:
    """The check, and the numbers for the report. Without both likelihoods the check did not run and so does not hold.

    Raises EvaluationError when the two were not measured on the same tokens.
    """
    if tuned is None or base is None:
        return judge(NLL_GAIN, gate, NOTHING, NOTHING), None
    gain = estimate_gain(tuned, base)
    result = LikelihoodResult(
        base=finite(base.nats_per_token),
        tuned=finite(tuned.nats_per_token),
        gain=gain.value,
        interval=gain.interval,
        tokens=tuned.tokens,
        conversations=gain.n,
    )
    sure = base.nats_per_token < SURE
    lacking = "the base foresees these answers already, so nothing can be gained on them" if sure else ""
    return judge(NLL_GAIN, gate, gain, Estimate(0.0, gain.n, None), lacking), result


def finite(value: float) -> float | None:
    return value if isfinite(value) else None
