"""Evaluate: a tuned model, its base and a dataset's test split in; report.json and report.html in a directory, and the Report out.

Both models answer the same held-out prompts through the companion turn that the server runs, so what is proven is what is served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from heedful.companion.turn import Companion
from heedful.config import GateSettings
from heedful.dataset.versions import load_split
from heedful.engines.base import Sampling
from heedful.errors import EvaluationError
from heedful.evaluation.answers import ask
from heedful.evaluation.checks import CheckResult, judge
from heedful.evaluation.gate import failed_checks, verdict
from heedful.evaluation.learning import Splits, judge_gap
from heedful.evaluation.likelihood import judge_likelihood
from heedful.evaluation.matrix import Matrix
from heedful.evaluation.page import to_html
from heedful.evaluation.prompts import Prompt, draw_prompts
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, SCHEMA, PromptCount, Report, ShownReply, Transcript, to_json
from heedful.evaluation.scorer import Answer, measure
from heedful.evaluation.scorers import SCORERS
from heedful.modeling.likelihood import Nll
from heedful.workspace import sha256, write_text

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
    seed: int = 7
    matrix: Matrix | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt, answered by both."""

    tuned: Answer
    base: Answer


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
    prompts = draw_prompts(load_split(dataset_dir, "test"), gate.prompts, lineage.seed)
    if not prompts:
        raise EvaluationError(
            f"the test split of dataset {dataset_dir.name} has no assistant turn that answers a user, so there is nothing to ask",
            "heedful import FILE, then heedful dataset build",
        )
    sampling = seeded(subject.companion.sampling, lineage.seed)
    pairs = await answer_both(subject.companion, base.companion, prompts, sampling, observe)
    nll_check, nll = judge_likelihood(subject.nll, base.nll, gate)
    gap_check, gap = judge_gap(subject.splits, base.splits, gate)
    checks = (*judge_replies(pairs, gate), nll_check, gap_check)
    report = Report(
        schema=SCHEMA,
        model=subject.model_id,
        base=base.model_id,
        dataset=dataset_dir.name,
        created_at=lineage.created_at,
        verdict=verdict(checks),
        failed=failed_checks(checks),
        settings={
            "gate": gate.model_dump(),
            "sampling": asdict(sampling),
            "seed": lineage.seed,
            "system_prompt": subject.companion.system_prompt,
        },
        hashes={SPLIT: sha256(dataset_dir / SPLIT), **lineage.hashes},
        prompts=count(pairs, prompts, gate.prompts),
        checks=checks,
        nll=nll,
        metrics=tuple(dict(row) for row in lineage.metrics),
        transcripts=transcripts(pairs),
        gap=gap,
        matrix=lineage.matrix,
    )
    write_text(output / REPORT_JSON, to_json(report))
    write_text(output / REPORT_HTML, to_html(report))
    return report


def seeded(sampling: Sampling, seed: int) -> Sampling:
    return sampling if sampling.seed is not None else replace(sampling, seed=seed)


async def answer_both(
    tuned: Companion, base: Companion, prompts: Sequence[Prompt], sampling: Sampling, observe: Observe | None
) -> list[Pair]:
    """Prompts that both answer, with both answers: only those can be compared."""
    done, total = 0, 2 * len(prompts)

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if observe is not None:
            observe(done, total)

    tuned_replies = await ask(tuned, prompts, sampling, advance)
    base_replies = await ask(base, prompts, sampling, advance)
    return [
        Pair(Answer(prompt, by_tuned), Answer(prompt, by_base))
        for prompt, by_tuned, by_base in zip(prompts, tuned_replies, base_replies, strict=True)
        if by_tuned is not None and by_base is not None
    ]


def judge_replies(pairs: Sequence[Pair], gate: GateSettings) -> list[CheckResult]:
    """Every scorer over the replies of both models."""
    tuned, base = [pair.tuned for pair in pairs], [pair.base for pair in pairs]
    return [judge(known.check, gate, measure(known, tuned), measure(known, base)) for known in SCORERS]


def count(pairs: Sequence[Pair], prompts: Sequence[Prompt], asked: int) -> PromptCount:
    return PromptCount(
        asked=asked,
        answered=len(pairs),
        unanswered=len(prompts) - len(pairs),
        shortened=sum(pair.tuned.reply.dropped_messages > 0 or pair.base.reply.dropped_messages > 0 for pair in pairs),
        conversations=len({pair.tuned.prompt.conversation for pair in pairs}),
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
