"""Other chat: everyday exchanges that no team's data is about, in; whether a model has unlearned them, out.

A model that learned one small set by heart becomes worse at all else. Forty exchanges written for this purpose
(assets/evaluation/other_chat.jsonl); those that stand in the training data are left out.
"""

from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

from heedful.config import GateSettings
from heedful.conversation import Conversation
from heedful.dataset.rows import from_line
from heedful.evaluation.checks import Check, CheckResult
from heedful.evaluation.contamination import find_seen
from heedful.evaluation.gain import estimate_gain
from heedful.evaluation.intervals import NOTHING, Estimate
from heedful.evaluation.judging import judge
from heedful.evaluation.prompts import Prompt
from heedful.modeling.likelihood import Nll

OTHER_CHAT = Check(
    name="other_chat",
    title="Ordinary chat not unlearned",
    meaning="How much more surprised the tuned model is than its base by everyday exchanges that are not the team's. Much more: "
    "it knows little but its training texts.",
    unit="share of the base's surprise",
    direction="lower",
    limit=0.1,
    blocking=True,
    slack=0.1,
)


@lru_cache(maxsize=1)
def exchanges() -> tuple[Conversation, ...]:
    text = files("heedful").joinpath("assets/evaluation/other_chat.jsonl").read_text(encoding="utf-8")
    return tuple(from_line(line) for line in text.splitlines())


def unseen_exchanges(training: Iterable[Conversation]) -> list[Conversation]:
    """Those that training has not shown."""
    asked = {Prompt(one.messages[:1], one.messages[1].content, one.fingerprint()): one for one in exchanges()}
    seen = set(find_seen(list(asked), training))
    return [one for prompt, one in asked.items() if prompt not in seen]


def judge_other_chat(scores: tuple[Nll, Nll] | None, gate: GateSettings) -> CheckResult:
    """`scores` of the tuned model and of its base on the same exchanges; None: not measured."""
    if scores is None:
        return judge(OTHER_CHAT, gate, NOTHING, NOTHING)
    tuned, base = scores
    return judge(OTHER_CHAT, gate, relative(estimate_gain(base, tuned), base), Estimate(0.0, len(base.per_sample), None))


def relative(more: Estimate, base: Nll) -> Estimate:
    """Nats a token as a share of the base's."""
    scale = base.nats_per_token
    if more.value is None or not scale > 0:
        return NOTHING
    interval = None if more.interval is None else (more.interval[0] / scale, more.interval[1] / scale)
    bounds = None if more.bounds is None else (more.bounds[0] / scale, more.bounds[1] / scale)
    return Estimate(more.value / scale, more.n, interval, bounds)
