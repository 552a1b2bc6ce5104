"""Evaluate: a tuned model, its base and a dataset's test split in; report.json and report.html in a directory, and the Report out.

Both models answer the same held-out and written prompts through the companion turn that the server runs, so what is proven is what
is served.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from heedful.companion.turn import Companion
from heedful.config import GateSettings
from heedful.conversation import Conversation
from heedful.dataset.versions import load_split
from heedful.engines.base import Sampling
from heedful.errors import EvaluationError
from heedful.evaluation.checks import CheckResult
from heedful.evaluation.contamination import SEEN_PROMPTS, find_seen, judge_seen
from heedful.evaluation.evidence import EVIDENCE, Evidence, Said, judge_evidence
from heedful.evaluation.gate import failed_checks, open_checks, verdict
from heedful.evaluation.judge.asking import Judge, Judged, ask_judge
from heedful.evaluation.judge.questions import QUESTIONS
from heedful.evaluation.learning import GAP, Splits, judge_gap
from heedful.evaluation.likelihood import NLL_GAIN, judge_likelihood
from heedful.evaluation.matrix import Matrix
from heedful.evaluation.page import to_html
from heedful.evaluation.policy import check_names, suites_asked
from heedful.evaluation.prompts import HELD_OUT, Prompt, draw_prompts
from heedful.evaluation.replies import (
    Observe,
    Pair,
    Third,
    answer_all,
    answer_held_out,
    compare_reads,
    judge_replies,
    read_pairs,
    suite_parts,
    transcripts,
)
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, SCHEMA, Override, PromptCount, Report, to_json
from heedful.evaluation.scorers import SCORERS
from heedful.evaluation.suites import load_suite
from heedful.modeling.likelihood import Nll
from heedful.workspace import sha256, write_text

SEED = 7  # of the prompts; part of what a verdict is bound to
SPLIT = "test.jsonl"
JUDGED = tuple(question.check.name for question in QUESTIONS)


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
    judge: Judge | None = None
    champion: Subject | None = None  # who serves now, to be compared with


def known_checks() -> frozenset[str]:
    return frozenset({*(known.check.name for known in SCORERS), NLL_GAIN.name, GAP.name, SEEN_PROMPTS.name, *EVIDENCE, *JUDGED})


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
    third = await answer_champion(lineage.champion, pairs, sampling)
    nll_check, nll = judge_likelihood(subject.nll, base.nll, gate)
    gap_check, gap = judge_gap(subject.splits, base.splits, gate)
    seen_check = judge_seen(len(drawn.seen), len(drawn.asked) + len(drawn.seen), gate)
    said = Said([pair.tuned.said for pair in pairs], [pair.base.said for pair in pairs], drawn.training)
    shown = judge_evidence(lineage.evidence, said, (subject.splits, base.splits), lineage.matrix, gate)
    reads = read_pairs(pairs, drawn.asked, gate)
    asked, judged = await put_to(lineage.judge, pairs, drawn.training, gate)
    every = (*judge_replies(reads, gate), nll_check, gap_check, seen_check, *shown, *asked)
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
            "engine": f"{subject.companion.engine.capabilities.name}, {subject.companion.engine.capabilities.how}",
            "system_prompt": subject.companion.system_prompt,
        },
        hashes={SPLIT: sha256(dataset_dir / SPLIT), **lineage.hashes},
        prompts=count(pairs, drawn, gate.prompts),
        checks=checks,
        nll=nll,
        metrics=tuple(dict(row) for row in lineage.metrics),
        transcripts=transcripts(pairs, reads, third, failed_checks(checks)),
        gap=gap,
        matrix=lineage.matrix,
        comparisons=compare_reads(reads, base.model_id, pairs, third),
        suites=suite_parts(reads),
        judged=judged,
        overrides=tuple(lineage.overrides),
    )
    write_text(output / REPORT_JSON, to_json(report))
    write_text(output / REPORT_HTML, to_html(report))
    return report


async def put_to(
    judge: Judge | None, pairs: Sequence[Pair], training: Sequence[Conversation], gate: GateSettings
) -> tuple[tuple[CheckResult, ...], Judged | None]:
    """Without a judge there are no checks of it."""
    return ((), None) if judge is None else await ask_judge(judge, [(pair.tuned, pair.base) for pair in pairs], training, gate)


async def answer_champion(champion: Subject | None, pairs: Sequence[Pair], sampling: Sampling) -> Third | None:
    return None if champion is None else await answer_held_out(champion.model_id, champion.companion, pairs, sampling)


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
    prompts += [prompt for name in suites_asked(gate) for prompt in load_suite(name).prompts]
    training = load_split(dataset_dir, "train")
    seen = find_seen(prompts, training)
    return Drawn([prompt for prompt in prompts if prompt not in seen], seen, training)


def seeded(sampling: Sampling, seed: int) -> Sampling:
    return sampling if sampling.seed is not None else replace(sampling, seed=seed)


def count(pairs: Sequence[Pair], drawn: Drawn, asked: int) -> PromptCount:
    return PromptCount(
        asked=asked,
        answered=len(pairs),
        unanswered=len(drawn.asked) - len(pairs),
        shortened=sum(pair.tuned.reply.dropped_messages > 0 or pair.base.reply.dropped_messages > 0 for pair in pairs),
        conversations=len({pair.tuned.prompt.conversation for pair in pairs if pair.tuned.prompt.suite == HELD_OUT}),
        excluded=tuple(prompt.id for prompt in drawn.seen),
        suites=dict(sorted(Counter(pair.tuned.prompt.suite for pair in pairs).items())),
    )
