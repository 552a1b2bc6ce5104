"""Replies: prompts and two companions in; their answers, each scored once by every scorer, and what follows out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from heedful.companion.turn import Companion
from heedful.config import GateSettings
from heedful.engines.base import Sampling
from heedful.evaluation.answers import ask
from heedful.evaluation.checks import CheckResult
from heedful.evaluation.comparison import Comparison, Rival, compare, noise_floor
from heedful.evaluation.intervals import Estimate
from heedful.evaluation.judging import judge
from heedful.evaluation.policy import rule_for
from heedful.evaluation.prompts import HELD_OUT, Prompt
from heedful.evaluation.report import ShownReply, SuitePart, Transcript
from heedful.evaluation.scorer import Answer, Measured, Scorer, Scores, measure, score_all
from heedful.evaluation.scorers import SCORERS

TRANSCRIPTS = 12
NOISE_SHARE = 4  # of the written prompts, every fourth is put to the base a second time; of the held-out ones, all

Observe = Callable[[int, int], None]  # replies done, replies in all


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt, answered by both. `again` is the base's second answer, with another seed; None where it was asked once."""

    tuned: Answer
    base: Answer
    again: Answer | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What one scorer says of all pairs, in their order; `again` has None where there was no second answer."""

    scorer: Scorer
    tuned: Scores
    base: Scores
    again: Scores
    whole: tuple[Measured, Measured]


async def answer_all(
    tuned: Companion, base: Companion, prompts: Sequence[Prompt], sampling: Sampling, observe: Observe | None
) -> list[Pair]:
    """Prompts that both answer, with both answers, for only those can be compared; and of some the base's once more."""
    repeated = [prompt for place, prompt in enumerate(prompts) if prompt.suite == HELD_OUT or place % NOISE_SHARE == 0]
    done, total = 0, 2 * len(prompts) + len(repeated)

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if observe is not None:
            observe(done, total)

    other = replace(sampling, seed=(sampling.seed or 0) + 1)
    by_tuned = await ask(tuned, prompts, sampling, advance)
    by_base = await ask(base, prompts, sampling, advance)
    second = dict(zip((prompt.id for prompt in repeated), await ask(base, repeated, other, advance), strict=True))
    pairs = []
    for prompt, first, one in zip(prompts, by_tuned, by_base, strict=True):
        once_more = second.get(prompt.id)
        if first is not None and one is not None:
            again = None if once_more is None else Answer(prompt, once_more)
            pairs.append(Pair(Answer(prompt, first), Answer(prompt, one), again))
    return pairs


def read_pairs(pairs: Sequence[Pair], prompts: Sequence[Prompt], gate: GateSettings) -> list[Read]:
    """Every scorer that the policy does not switch off and that reads one of the prompts that were asked."""
    wanted = [known for known in SCORERS if rule_for(known.check, gate).level != "off"]
    return [read(known, pairs) for known in wanted if any(map(known.reads, prompts))]


def read(known: Scorer, pairs: Sequence[Pair]) -> Read:
    tuned, base = [pair.tuned for pair in pairs], [pair.base for pair in pairs]
    again = [pair.again for pair in pairs if pair.again is not None]
    by_tuned, by_base, second = (score_all(known, answers) for answers in (tuned, base, again))
    found = iter(second)
    return Read(
        scorer=known,
        tuned=by_tuned,
        base=by_base,
        again=[None if pair.again is None else next(found) for pair in pairs],
        whole=(measure(known, tuned, by_tuned), measure(known, base, by_base)),
    )


def judge_replies(reads: Sequence[Read], gate: GateSettings) -> list[CheckResult]:
    return [judge(one.scorer.check, gate, one.whole[0].whole, one.whole[1].whole) for one in reads]


@dataclass(frozen=True, slots=True)
class Third:
    """Who serves now, and its answers, by prompt. Only held-out prompts are put to it."""

    name: str
    answers: Mapping[str, Answer]


async def answer_held_out(model: str, companion: Companion, pairs: Sequence[Pair], sampling: Sampling) -> Third:
    prompts = [pair.tuned.prompt for pair in pairs if pair.tuned.prompt.suite == HELD_OUT]
    replies = await ask(companion, prompts, sampling, lambda done: None) if prompts else []
    both = zip(prompts, replies, strict=True)
    return Third(model, {prompt.id: Answer(prompt, reply) for prompt, reply in both if reply is not None})


def compare_reads(reads: Sequence[Read], base: str, pairs: Sequence[Pair], third: Third | None) -> tuple[Comparison, ...]:
    """With the base on all prompts, and with the champion on those that it answered."""
    found = [(one, noise_floor(one.base, one.again)) for one in reads]
    made = [compare(one.scorer, one.tuned, Rival(base, one.base), noise) for one, noise in found]
    if third is not None:
        made += [
            compare(one.scorer, one.tuned, Rival(third.name, scores_of(one.scorer, pairs, third)), noise) for one, noise in found
        ]
    return tuple(one for one in made if one.n > 0 or one.against == base)


def scores_of(known: Scorer, pairs: Sequence[Pair], third: Third) -> Scores:
    """In the order of the pairs; None where there is no answer."""
    answers = [third.answers.get(pair.tuned.prompt.id) for pair in pairs]
    found = iter(score_all(known, [answer for answer in answers if answer is not None]))
    return [None if answer is None else next(found) for answer in answers]


def suite_parts(reads: Sequence[Read]) -> tuple[SuitePart, ...]:
    """Value, n and interval of each scorer on each suite and each of its kinds."""
    nothing = Estimate(None, 0, None)
    return tuple(
        SuitePart(part, one.scorer.check.name, found.value, found.n, found.interval, one.whole[1].parts.get(part, nothing).value)
        for one in reads
        for part, found in one.whole[0].parts.items()
    )


def transcripts(
    pairs: Sequence[Pair], reads: Sequence[Read], third: Third | None = None, failed: Sequence[str] = ()
) -> tuple[Transcript, ...]:
    """Up to twelve: what is wrong must not hide behind what is well."""
    shown = [
        Transcript(
            conversation=pair.tuned.prompt.conversation,
            messages=pair.tuned.prompt.messages,
            reference=pair.tuned.prompt.reference,
            base=show(pair.base, {one.scorer: one.base[place] for one in reads}),
            tuned=show(pair.tuned, {one.scorer: one.tuned[place] for one in reads}),
            champion=None if third is None else show_third(third.answers.get(pair.tuned.prompt.id), reads),
        )
        for place, pair in enumerate(pairs)
    ]
    return tuple(worst_first(shown, failed)[:TRANSCRIPTS])


def worst_first(shown: Sequence[Transcript], failed: Sequence[str]) -> list[Transcript]:
    """One for each check that refuses the version, then those whose tuned reply trips most of these, then most of all checks."""
    ranked = sorted(shown, key=lambda one: (-len(set(one.tuned.flags) & set(failed)), -len(one.tuned.flags)))
    examples = [next((place for place, one in enumerate(ranked) if name in one.tuned.flags), None) for name in failed]
    first = dict.fromkeys(place for place in examples if place is not None)
    return [ranked[place] for place in (*first, *(place for place in range(len(ranked)) if place not in first))]


def show_third(answer: Answer | None, reads: Sequence[Read]) -> ShownReply | None:
    return None if answer is None else show(answer, {one.scorer: score_all(one.scorer, [answer])[0] for one in reads})


def show(answer: Answer, scores: Mapping[Scorer, bool | float | None]) -> ShownReply:
    reply = answer.reply
    return ShownReply(
        text=reply.text,
        raw=None if reply.raw == reply.text else reply.raw,
        finish_reason=reply.finish_reason,
        flags=tuple(known.check.name for known, score in scores.items() if known.trips(score)),
    )
