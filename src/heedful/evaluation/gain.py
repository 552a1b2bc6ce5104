"""Gain: two likelihoods of the same conversations in; how many nats a token the one saves over the other, with an interval, out."""

from heedful.errors import EvaluationError
from heedful.evaluation.intervals import Estimate, estimate_ratio
from heedful.modeling.likelihood import Nll


def estimate_gain(tuned: Nll, base: Nll) -> Estimate:
    """Base minus tuned, nats a token, with a bootstrap over conversations: each keeps its own base beside its own tuned score."""
    counts = [tokens for _, tokens in tuned.per_sample]
    if counts != [tokens for _, tokens in base.per_sample]:
        raise EvaluationError(
            f"base and tuned NLL were measured on different tokens ({base.tokens} and {tuned.tokens}, "
            f"{len(base.per_sample)} and {len(tuned.per_sample)} conversations); they must be the same",
            "measure both on the same test split with the same tokenizer",
        )
    pairs = zip(base.per_sample, tuned.per_sample, strict=True)
    gains = [(before[0] - after[0], float(after[1])) for before, after in pairs if after[1] > 0]
    return estimate_ratio([saved for saved, _ in gains], [tokens for _, tokens in gains])
