"""Asking: a judge, and the replies of two models in; checks, a preference and how far the judge is to be trusted, out.

Only replies to written prompts are put to a judge, unless people agreed to it, and none that holds a stretch of a training text. A
check of a judge blocks only where it agrees with the team's own labels; else it is told and refuses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from heedful.config import GateSettings
from heedful.conversation import Conversation, Message
from heedful.engines.base import Engine, Sampling
from heedful.errors import EngineError, EvaluationError
from heedful.evaluation.checks import CheckResult
from heedful.evaluation.intervals import NOTHING, Interval, estimate_mean, estimate_share
from heedful.evaluation.judge.agreement import Agreement, Label, agreement_of
from heedful.evaluation.judge.questions import QUESTIONS, Chat, Question, agreed, both_orders, preferred, which_is_better
from heedful.evaluation.judging import judge as judge_check
from heedful.evaluation.privacy.copies import longest_copies
from heedful.evaluation.prompts import HELD_OUT
from heedful.evaluation.scorer import Answer

ASKED = Sampling(max_new_tokens=8, temperature=0.0, seed=7)
FAMILIES = (
    "qwen",
    "gpt-neo",
    "gpt_neo",
    "gpt2",
    "gpt",
    "gemma",
    "mixtral",
    "mistral",
    "phi",
    "deepseek",
    "claude",
    "command",
    "llama",
)
SAME = {"gpt_neo": "gpt-neo", "mixtral": "mistral"}


@dataclass(frozen=True, slots=True)
class Judge:
    """`most`: so many prompts at most. `people_agreed`: held-out prompts may be sent as well."""

    engine: Engine
    labels: Sequence[Label] = ()
    most: int = 40
    people_agreed: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """`withheld` replies hold a stretch of a training text and were not sent; `undecided` answers turned with the order.

    `preferred`: how often the candidate's reply was found better than the base's, ties half.
    """

    model: str
    prompts: int
    withheld: int
    undecided: int
    agreement: tuple[Agreement, ...]
    preferred: float | None
    preferred_interval: Interval | None
    problem: str = ""


def family_of(name: str) -> str | None:
    """The family of a model, by its name; None for one that nobody knows."""
    found = next((family for family in FAMILIES if family in name.lower()), None)
    return found if found is None else SAME.get(found, found)


def check_family(judge: str, candidate: str) -> None:
    """A model favours its own kind. Raises EvaluationError for a judge of the candidate's family, or of none that is known."""
    family = family_of(judge)
    if family is None:
        raise EvaluationError(
            f"it is not known of which family the judge {judge!r} is", f"set judge.family to one of {', '.join(FAMILIES)}"
        )
    if family == family_of(candidate):
        raise EvaluationError(f"the judge {judge!r} is a {family} model like the base; it would favour its own", "set judge.model")


async def ask_judge(
    judge: Judge, answers: Sequence[tuple[Answer, Answer]], training: Sequence[Conversation], gate: GateSettings
) -> tuple[tuple[CheckResult, ...], Judged]:
    """`answers` are (candidate's, base's). A judge that cannot be asked makes its checks inconclusive."""
    open_ = [pair for pair in answers if judge.people_agreed or pair[0].prompt.suite != HELD_OUT]
    drawn = open_[:: max(1, len(open_) // judge.most)][: judge.most]
    copied = longest_copies([text for pair in drawn for text in (pair[0].said, pair[1].said)], training)
    sent = [pair for place, pair in enumerate(drawn) if not any(copied[2 * place : 2 * place + 2])]
    try:
        said = {one.name: await decide(judge.engine, one, [(a.prompt.messages, a.said) for a, _ in sent]) for one in QUESTIONS}
        better = await prefer(judge.engine, sent)
        agreement = [await agree(judge, one) for one in QUESTIONS]
    except EngineError as error:
        checks = tuple(judged_check(one, None, [], gate, error.text) for one in QUESTIONS)
        return checks, Judged(judge.engine.model, 0, len(drawn) - len(sent), 0, (), None, None, error.text)
    checks = tuple(judged_check(one, known, said[one.name], gate) for one, known in zip(QUESTIONS, agreement, strict=True))
    undecided = sum(found is None for each in said.values() for found in each)
    rate = estimate_mean([score for score in better if score is not None])
    withheld = len(drawn) - len(sent)
    return checks, Judged(judge.engine.model, len(sent), withheld, undecided, tuple(agreement), rate.value, rate.interval)


def judged_check(
    question: Question, known: Agreement | None, found: Sequence[bool | None], gate: GateSettings, lacking: str = ""
) -> CheckResult:
    """Blocking where the policy says so and the judge agrees with the team; else advisory."""
    result = judge_check(question.check, gate, estimate_share([one for one in found if one is not None]), NOTHING, lacking)
    trusted = known is not None and known.suffices
    return replace(result, level="advisory") if result.level == "blocking" and not trusted else result


async def decide(engine: Engine, question: Question, asked: Sequence[tuple[Sequence[Message], str]]) -> list[bool | None]:
    pairs = [both_orders(messages, reply, question.text) for messages, reply in asked]
    return [agreed(one, other) for one, other in await answers_to(engine, pairs)]


async def prefer(engine: Engine, sent: Sequence[tuple[Answer, Answer]]) -> list[float | None]:
    pairs = [which_is_better(tuned.prompt.messages, tuned.said, base.said) for tuned, base in sent]
    return [preferred(one, other) for one, other in await answers_to(engine, pairs)]


async def agree(judge: Judge, question: Question) -> Agreement:
    labels = [label for label in judge.labels if label.question == question.name]
    found = await decide(judge.engine, question, [(label.prompt.messages, label.reply) for label in labels])
    return agreement_of(question.name, [label.answer for label in labels], found)


async def answers_to(engine: Engine, pairs: Sequence[tuple[Chat, Chat]]) -> list[tuple[str, str]]:
    chats = [chat for pair in pairs for chat in pair]
    found = await engine.generate(chats, ASKED) if chats else []
    texts = [one.text for one in found]
    return list(zip(texts[::2], texts[1::2], strict=True))
