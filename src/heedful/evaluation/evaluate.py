"""Evaluate: a tuned model, its base and a dataset's test split in; report.json and report.html in a directory, and the Report out.

Both models answer the same held-out prompts through the companion turn that the server runs, so what is proven is what is served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from heedful.companion.turn import Companion
from heedful.config import GateSettings
from heedful.conversation import Conversation
from heedful.dataset.versions import load_split
from heedful.engines.base import Sampling
from heedful.errors import EvaluationError
from heedful.evaluation.answers import ask
from heedful.evaluation.checks import CheckResult
from heedful.evaluation.comparison import Comparison, Rival, compare, noise_floor
from heedful.evaluation.contamination import SEEN_PROMPTS, find_seen, judge_seen
from heedful.evaluation.evidence import EVIDENCE, Evidence, Said, judge_evidence
from heedful.evaluation.gate import failed_checks, open_checks, verdict
from heedful.evaluation.judging import judge
from heedful.evaluation.learning import GAP, Splits, judge_gap
from heedful.evaluation.likelihood import NLL_GAIN, judge_likelihood
from heedful.evaluation.matrix import Matrix
from heedful.evaluation.page import to_html
from heedful.evaluation.policy import check_names
from heedful.evaluation.prompts import Prompt, draw_prompts
from heedful.evaluation.report import (
    REPORT_HTML,
    REPORT_JSON,
    SCHEMA,
    Override,
    PromptCount,
    Report,
    ShownReply,
    Transcript,
    to_json,
)
from heedful.evaluation.scorer import Answer, measure
from heedful.evaluation.scorers import SCORERS
from heedful.modeling.likelihood import Nll
from heedful.workspace import sha256, write_text

SEED = 7  # of the prompts; part of what a verdict is bound to
TRANSCRIPTS = 12
SPLIT = "test.jsonl"

Observe = Callable[[int, int], None]  # replies done, replies in all


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is looked at: its companion; its NLL on the test split, and on all three, where the caller measured it."""

    model_id: str
    companion: Companion
    nll: Nll | None = None
    splits: Splits | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where the tuned model comes from. `hashes`: SHA-256 by name, of the adapter above all; `metrics`: rows of metrics.jsonl.

    `seed` draws the prompts, and the replies as well where the sampling brings no seed of its own.
    """

    created_at: str
    hashes: Mapping[str, str]
    metrics: Sequence[Mapping[str, Any]] = ()
    seed: int = SEED
    matrix: Matrix | None = None
    overrides: Sequence[Override] = ()
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt, answered by both. `again` is the base's second answer, with another seed."""

    tuned: Answer
    base: Answer
    again: Answer


def known_checks() -> frozenset[str]:
    return frozenset({*(known.check.name for known in SCORERS), NLL_GAIN.name, GAP.name, SEEN_PROMPTS.name, *EVIDENCE})


async def evaluate(
    subject: Subject,
    base: Subject,
    dataset_dir: Path,
    gate: GateSettings,
    output: Path,
    lineage: Lineage,
    observe: Observe | None = None,
) -> Report:
    """Answer, score and judge; write both reports into `output`, an existing directory. Replies are drawn as `subject` draws them.

    Raises EvaluationError when the test split offers no prompt, when a model answers none of them, or when the two likelihoods
    were not measured on the same tokens.
    """
    check_names(gate, known_checks())
    drawn = draw(dataset_dir, gate, lineage.seed)
    sampling = seeded(subject.companion.sampling, lineage.seed)
    pairs = await answer_all(subject.companion, base.companion, drawn.asked, sampling, observe)
    nll_check, nll = judge_likelihood(subject.nll, base.nll, gate)
    gap_check, gap = judge_gap(subject.splits, base.splits, gate)
    seen_check = judge_seen(len(drawn.seen), len(drawn.asked) + len(drawn.seen), gate)
    said = Said([pair.tuned.said for pair in pairs], [pair.base.said for pair in pairs], drawn.training)
    shown = judge_evidence(lineage.evidence, said, (subject.splits, base.splits), lineage.matrix, gate)
    every = (*judge_replies(pairs, gate), nll_check, gap_check, seen_check, *shown)
    checks = tuple(check for check in every if check.level != "off")
    report = Report(
        schema=SCHEMA,
        model=subject.model_id,
        base=base.model_id,
        dataset=dataset_dir.name,
        created_at=lineage.created_at,
        verdict=verdict(checks),
        failed=failed_checks(checks),
        inconclusive=open_checks(checks),
        settings={
            "gate": gate.model_dump(mode="json"),
            "sampling": asdict(sampling),
            "seed": lineage.seed,
            "system_prompt": subject.companion.system_prompt,
        },
        hashes={SPLIT: sha256(dataset_dir / SPLIT), **lineage.hashes},
        prompts=count(pairs, drawn, gate.prompts),
        checks=checks,
        nll=nll,
        metrics=tuple(dict(row) for row in lineage.metrics),
        transcripts=transcripts(pairs),
        gap=gap,
        matrix=lineage.matrix,
        comparisons=compare_pairs(pairs, base.model_id),
        overrides=tuple(lineage.overrides),
    )
    write_text(output / REPORT_JSON, to_json(report))
    write_text(output / REPORT_HTML, to_html(report))
    return report


@dataclass(frozen=True, slots=True)
class Drawn:
    """Prompts that are asked, and those that are not, because training has shown them."""

    asked: list[Prompt]
    seen: list[Prompt]
    training: list[Conversation]


def draw(dataset_dir: Path, gate: GateSettings, seed: int) -> Drawn:
    prompts = draw_prompts(load_split(dataset_dir, "test"), gate.prompts, seed)
    if not prompts:
        raise EvaluationError(
            f"the test split of dataset {dataset_dir.name} has no assistant turn that answers a user, so there is nothing to ask",
            "heedful import FILE, then heedful dataset build",
        )
    training = load_split(dataset_dir, "train")
    seen = find_seen(prompts, training)
    return Drawn([prompt for prompt in prompts if prompt not in seen], seen, training)


def seeded(sampling: Sampling, seed: int) -> Sampling:
    return sampling if sampling.seed is not None else replace(sampling, seed=seed)


async def answer_all(
    tuned: Companion, base: Companion, prompts: Sequence[Prompt], sampling: Sampling, observe: Observe | None
) -> list[Pair]:
    """Prompts that both answer, with both answers, and the base's once more: only those can be compared."""
    done, total = 0, 3 * len(prompts)

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if observe is not None:
            observe(done, total)

    other = replace(sampling, seed=(sampling.seed or 0) + 1)
    runs = [
        await ask(companion, prompts, drawn, advance) for companion, drawn in ((tuned, sampling), (base, sampling), (base, other))
    ]
    return [
        Pair(*(Answer(prompt, reply) for reply in replies if reply is not None))
        for prompt, *replies in zip(prompts, *runs, strict=True)
        if all(reply is not None for reply in replies)
    ]


def judge_replies(pairs: Sequence[Pair], gate: GateSettings) -> list[CheckResult]:
    """Every scorer over the replies of both models."""
    tuned, base = [pair.tuned for pair in pairs], [pair.base for pair in pairs]
    return [judge(known.check, gate, measure(known, tuned), measure(known, base)) for known in SCORERS]


def compare_pairs(pairs: Sequence[Pair], base: str) -> tuple[Comparison, ...]:
    tuned, rival = [pair.tuned for pair in pairs], Rival(base, [pair.base for pair in pairs])
    again = [pair.again for pair in pairs]
    return tuple(compare(known, tuned, rival, noise_floor(known, rival.answers, again)) for known in SCORERS)


def count(pairs: Sequence[Pair], drawn: Drawn, asked: int) -> PromptCount:
    return PromptCount(
        asked=asked,
        answered=len(pairs),
        unanswered=len(drawn.asked) - len(pairs),
        shortened=sum(pair.tuned.reply.dropped_messages > 0 or pair.base.reply.dropped_messages > 0 for pair in pairs),
        conversations=len({pair.tuned.prompt.conversation for pair in pairs}),
        excluded=tuple(prompt.conversation for prompt in drawn.seen),
    )


def transcripts(pairs: Sequence[Pair]) -> tuple[Transcript, ...]:
    """Up to twelve, those first whose tuned reply trips most checks: what is wrong must not hide behind what is well."""
    shown = [
        Transcript(
            conversation=pair.tuned.prompt.conversation,
            messages=pair.tuned.prompt.messages,
            reference=pair.tuned.prompt.reference,
            base=show(pair.base),
            tuned=show(pair.tuned),
        )
        for pair in pairs
    ]
    return tuple(sorted(shown, key=lambda transcript: -len(transcript.tuned.flags))[:TRANSCRIPTS])


def show(answer: Answer) -> ShownReply:
    reply = answer.reply
    return ShownReply(
        text=reply.text,
        raw=None if reply.raw == reply.text else reply.raw,
        finish_reason=reply.finish_reason,
        flags=tuple(known.check.name for known in SCORERS if known.trips(answer)),
    )
