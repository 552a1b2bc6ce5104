"""Learning: NLL of tuned and base on train, validation and test in; how much was learned by heart, with a verdict in words, out.

Notation: gap = test NLL minus train NLL. A gap is there without any training where the test questions are harder or new, so the
verdict is on what the tuned model's gap has beyond the base's (docs/decisions/0003-gap.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from heedful.config import GateSettings
from heedful.errors import EvaluationError
from heedful.evaluation.checks import Check, CheckResult
from heedful.evaluation.intervals import NOTHING, Estimate, Interval, estimate_difference
from heedful.evaluation.judging import judge
from heedful.modeling.likelihood import Nll

FAIR, OVERFITTING = 0.1, 0.2  # nats a token; below the first excellent, above the second overfitting

GapVerdict = Literal["excellent", "fair", "overfitting"]

GAP = Check(
    name="gap",
    title="Learned, not learned by heart",
    meaning="How much more the tuned model gained on conversations it learned from than on others. Near zero: it carries over.",
    unit="nats a token",
    direction="lower",
    limit=OVERFITTING,
    blocking=False,
)
ADVICE: dict[GapVerdict, str] = {
    "excellent": "What it learned carries over to conversations it has never seen. Nothing has to be done.",
    "fair": (
        "A part was learned by heart. More conversations help most; fewer epochs or the careful preset "
        "(heedful train --preset careful) narrow the gap as well."
    ),
    "overfitting": (
        "It learned answers by heart, and may repeat them where they do not fit. Import more conversations, train with "
        "heedful train --preset careful, or with fewer epochs or a lower rank. Read the transcripts for answers that are copies."
    ),
}


@dataclass(frozen=True, slots=True)
class Splits:
    """One model's NLL on a fixed sample of the training rows, on the validation split and on the test split."""

    train: Nll
    validation: Nll
    test: Nll


@dataclass(frozen=True, slots=True)
class SplitNlls:
    """The same as numbers, nats a token. Of an empty validation split there is none."""

    train: float
    validation: float | None
    test: float

    @property
    def gap(self) -> float:
        return self.test - self.train


@dataclass(frozen=True, slots=True)
class GapResult:
    """`gap` and `base_gap` are test minus train; `beyond` is their difference, with its interval. `verdict` is on `beyond`."""

    tuned: SplitNlls
    base: SplitNlls
    gap: float
    base_gap: float
    beyond: float
    interval: Interval | None
    verdict: GapVerdict
    advice: str
    train_conversations: int
    validation_conversations: int
    test_conversations: int


def judge_gap(tuned: Splits | None, base: Splits | None, gate: GateSettings) -> tuple[CheckResult, GapResult | None]:
    """The check, and the numbers for the report. What was not measured, or is not finite, does not hold.

    Raises EvaluationError when the two models were not measured on the same tokens.
    """
    if tuned is None or base is None:
        return judge(GAP, gate, NOTHING, NOTHING), None
    beyond = estimate_beyond(tuned, base)
    judged = judge(GAP, gate, beyond, Estimate(0.0, beyond.n, None))
    if beyond.value is None:
        return judged, None
    mine, before = numbers(tuned), numbers(base)
    verdict = verdict_of(beyond.value)
    return judged, GapResult(
        tuned=mine,
        base=before,
        gap=mine.gap,
        base_gap=before.gap,
        beyond=beyond.value,
        interval=beyond.interval,
        verdict=verdict,
        advice=ADVICE[verdict],
        train_conversations=len(tuned.train.per_sample),
        validation_conversations=len(tuned.validation.per_sample),
        test_conversations=len(tuned.test.per_sample),
    )


def estimate_beyond(tuned: Splits, base: Splits) -> Estimate:
    """(test - train) of the tuned model minus (test - train) of the base.

    Written the other way round, it is the gain on training rows minus the gain on test rows; each conversation keeps its base
    beside its tuned score, so its own difficulty falls out.
    """
    return estimate_difference(gains(tuned.train, base.train, "train"), gains(tuned.test, base.test, "test"))


def gains(tuned: Nll, base: Nll, split: str) -> list[tuple[float, float]]:
    """(nats gained, tokens) of each conversation."""
    if [tokens for _, tokens in tuned.per_sample] != [tokens for _, tokens in base.per_sample]:
        raise EvaluationError(
            f"base and tuned NLL of the {split} split were measured on different tokens; they must be the same",
            "measure both on the same rows with the same tokenizer",
        )
    pairs = zip(base.per_sample, tuned.per_sample, strict=True)
    return [(before[0] - after[0], float(after[1])) for before, after in pairs if after[1] > 0]


def numbers(splits: Splits) -> SplitNlls:
    validation = splits.validation.nats_per_token
    return SplitNlls(splits.train.nats_per_token, validation if isfinite(validation) else None, splits.test.nats_per_token)


def verdict_of(beyond: float) -> GapVerdict:
    if beyond < FAIR:
        return "excellent"
    return "fair" if beyond <= OVERFITTING else "overfitting"


def gap_words(result: GapResult) -> Sequence[str]:
    """What the numbers say, sentence by sentence, for a reader who is no engineer."""
    low_high = result.interval
    sure = "" if low_high is None else f" (95% interval {low_high[0]:.2f} to {low_high[1]:.2f})"
    return (
        f"On conversations it learned from, the tuned model's surprise is {result.tuned.train:.2f} nats a token, "
        f"on ones kept out of training {result.tuned.test:.2f}: a gap of {result.gap:+.2f}.",
        "This gap includes the novelty of the test questions. They are other questions, perhaps on subjects that training never "
        "showed, and may be harder for any model: the base, which learned from neither, "
        f"has a gap of {result.base_gap:+.2f}.",
        f"What training added is the difference, {result.beyond:+.2f}{sure}. "
        f"Below {FAIR:g} is excellent, up to {OVERFITTING:g} fair, more is overfitting.",
    )
