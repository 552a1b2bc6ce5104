"""Evidence: what was measured beside the replies to prompts, in; its checks out.

Privacy (copies, membership, planted secrets, withdrawn records) and learning (other chat, earlier rounds, the champion). A
check that does not apply is not made: nothing was planted, there is no earlier round, nobody serves yet. One that applies and was
not measured is inconclusive.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.config import GateSettings
from heedful.conversation import Conversation
from heedful.evaluation.checks import Check, CheckResult
from heedful.evaluation.gain import estimate_gain
from heedful.evaluation.intervals import NOTHING, Estimate
from heedful.evaluation.judging import judge
from heedful.evaluation.learning import Splits
from heedful.evaluation.matrix import Forgotten, Matrix
from heedful.evaluation.other_chat import OTHER_CHAT, judge_other_chat
from heedful.evaluation.privacy.canaries import CANARIES, Exposure, judge_canaries
from heedful.evaluation.privacy.copies import COPIES, VERBATIM, judge_copies
from heedful.evaluation.privacy.membership import MEMBERSHIP, judge_membership
from heedful.modeling.likelihood import Nll

WITHDRAWN = Check(
    name="withdrawn",
    title="Nobody in it has withdrawn",
    meaning="Conversations that this version, or one below it, learned from although the person has withdrawn since. One is enough "
    "to refuse.",
    unit="conversations",
    direction="lower",
    limit=0.0,
    blocking=True,
    least=1,
)
FORGETTING = Check(
    name="forgetting",
    title="Earlier rounds not forgotten",
    meaning="On the round that suffered most: how much more surprised this version is than the best earlier one by what that round "
    "brought.",
    unit="share of the earlier surprise",
    direction="lower",
    limit=0.05,
    blocking=True,
    slack=0.05,
)
CHAMPION = Check(
    name="champion",
    title="Not worse than the champion",
    meaning="How much better than the version that serves now it foresees the answers that were really given.",
    unit="nats a token",
    direction="higher",
    limit=-0.05,
    blocking=False,
    slack=0.05,
)
EVIDENCE = tuple(check.name for check in (VERBATIM, COPIES, MEMBERSHIP, CANARIES, WITHDRAWN, OTHER_CHAT, FORGETTING, CHAMPION))


@dataclass(frozen=True, slots=True)
class Champion:
    """Who serves now, and its NLL on the test split that the candidate was measured on."""

    model: str
    nll: Nll


@dataclass(frozen=True, slots=True)
class Evidence:
    """Pairs are (tuned, base). `withdrawn` is (conversations whose person withdrew, all it learned from). None: not measured.

    `canaries` and `champion` are None where there are none.
    """

    other_chat: tuple[Nll, Nll] | None = None
    withdrawn: tuple[int, int] | None = None
    canaries: tuple[Sequence[Exposure], Sequence[Exposure]] | None = None
    champion: Champion | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What the two models replied, and the conversations that training showed."""

    tuned: Sequence[str]
    base: Sequence[str]
    training: Sequence[Conversation]


def judge_evidence(
    found: Evidence, said: Said, splits: tuple[Splits | None, Splits | None], matrix: Matrix | None, gate: GateSettings
) -> tuple[CheckResult, ...]:
    made = [*judge_copies(said.tuned, said.base, said.training, gate), judge_membership(*splits, gate)]
    made += [judge_withdrawn(found.withdrawn, gate), judge_other_chat(found.other_chat, gate)]
    if found.canaries is not None:
        made.append(judge_canaries(*found.canaries, gate))
    if matrix is not None and matrix.forgotten:
        made.append(judge_forgetting(matrix.forgotten, gate))
    if found.champion is not None:
        made.append(judge_champion(found.champion, splits[0], gate))
    return tuple(made)


def judge_withdrawn(counted: tuple[int, int] | None, gate: GateSettings) -> CheckResult:
    """They were counted, so the bounds are the value."""
    if counted is None:
        return judge(WITHDRAWN, gate, NOTHING, NOTHING)
    count, learned = float(counted[0]), counted[1]
    return judge(WITHDRAWN, gate, Estimate(count, max(learned, 1), None, (count, count)), NOTHING)


def judge_forgetting(forgotten: Sequence[Forgotten], gate: GateSettings) -> CheckResult:
    worst = max(forgotten, key=lambda one: one.share)
    scale = worst.best_nll
    interval = None if worst.interval is None else (worst.interval[0] / scale, worst.interval[1] / scale)
    bounds = None if worst.bounds is None else (worst.bounds[0] / scale, worst.bounds[1] / scale)
    return judge(FORGETTING, gate, Estimate(worst.share, worst.n, interval, bounds), NOTHING)


def judge_champion(champion: Champion, splits: Splits | None, gate: GateSettings) -> CheckResult:
    gain = NOTHING if splits is None else estimate_gain(splits.test, champion.nll)
    return judge(CHAMPION, gate, gain, NOTHING)
