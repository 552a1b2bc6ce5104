"""Evaluate: a version in; a report directory that `promote` will obey out, its hash kept with the run.

Both models score the test split and answer the same held-out prompts. Replies get as much room as the team's own answers needed, so
that the stop rate says whether the model ends its turn, not whether a limit was short.
"""

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from heedful.companion.turn import Companion
from heedful.config import Settings
from heedful.dataset import dataset_dir, load_split
from heedful.engines.kept import KeptEngine
from heedful.evaluation.binding import bind
from heedful.evaluation.evaluate import SEED, Lineage, Subject, evaluate
from heedful.evaluation.learning import Splits
from heedful.evaluation.matrix import MATRIX_JSON, matrix_to_json
from heedful.evaluation.report import REPORT_JSON, Report, read_report
from heedful.lifecycle.companions import BASE, Target, find_target, guards_of, load_network, to_companion
from heedful.lifecycle.evidence import gather, load_champion, samples_of, standing_of
from heedful.lifecycle.judge import judge_of
from heedful.lifecycle.matrix import BATCH_TOKENS, grid_of, measure, read_matrix
from heedful.lifecycle.runs import recorded_run
from heedful.modeling.bases import context_length
from heedful.modeling.chat_template import Sample
from heedful.modeling.likelihood import negative_log_likelihood
from heedful.registry.override import overrides_of
from heedful.registry.promotion import EVALUATION
from heedful.registry.versions import ADAPTER_FILE, find_version
from heedful.store.database import Store
from heedful.store.schema import Run, utc_now
from heedful.workspace import Workspace, read_manifest, sha256, staging, write_manifest, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEWEST_TRAIN_ROWS, MOST_TRAIN_ROWS, TRAIN_ROWS_SEED = 20, 100, 7  # the fixed sample on which the gap is measured
ROOM = 2  # a reply may be so many times as long as the team's long answers (95th percentile)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The report and where it lies."""

    report_id: str
    folder: Path
    report: Report


def evaluate_version(
    workspace: Workspace,
    store: Store,
    settings: Settings,
    name: str,
    observe: Callable[[int, int], None] | None = None,
    labels: Path | None = None,
    report_id: str | None = None,
) -> Evaluated:
    """`report_id` is one that is not in use; without it the report gets one.

    Raises EvaluationError, ModelError or RegistryError; no report is left behind then.
    """
    with store.snapshot() as session:
        version = find_version(session, name)
        overrides, standing = overrides_of(session, version.id), standing_of(session, version)
    tuned = find_target(workspace, store, settings, version.id)
    folder = dataset_dir(workspace, version.dataset)
    judge = judge_of(settings.judge, tuned.base, labels)
    rows = load_rows(tuned, folder)
    room = reply_room(rows.test, settings.generation.max_new_tokens, context_length(tuned.base))
    base, grid = replace(tuned, name=BASE, adapter=None), grid_of(workspace, store, version.id)
    report_id = f"r-{uuid.uuid4().hex[:10]}" if report_id is None else report_id
    with recorded_run(store, EVALUATION, version.dataset, version.id) as outcome, staging(workspace.reports) as aside:
        networks = load_network(tuned, settings), load_network(base, settings)
        lineage = lineage_of(tuned, folder, settings)
        measure(workspace, settings, grid.rows[-1], networks[0])
        measure(workspace, settings, grid.rows[0], networks[1])
        matrix = read_matrix(workspace, grid)
        champion = load_champion(workspace, settings, standing, tuned)
        evidence = gather(standing, folder, tuned, networks, champion)
        rival = None if champion is None else Subject(champion[0].name, judged_companion(*champion, settings, room))
        report = asyncio.run(
            evaluate(
                kept(workspace, to_subject(tuned, networks[0], settings, rows, room), lineage),
                kept(workspace, to_subject(base, networks[1], settings, rows, room), lineage),
                folder,
                settings.gate,
                aside,
                replace(lineage, matrix=matrix, overrides=overrides, evidence=evidence, champion=rival, judge=judge),
                observe,
            )
        )
        write_text(aside / MATRIX_JSON, matrix_to_json(matrix))
        quoted = "" if champion is None else champion[0].name  # its replies stand in the report; an erasure looks for them
        write_manifest(
            aside, {"kind": "report", "id": report_id, "model": version.id, "dataset": version.dataset, "champion": quoted}
        )
        target = workspace.reports / report_id
        aside.rename(target)
        outcome.detail = detail_of(target, report)
    return Evaluated(report_id, target, report)


def detail_of(folder: Path, report: Report) -> dict[str, Any]:
    """What the run keeps of a report, for `promote`."""
    return {
        "report": folder.name,
        "report_sha256": sha256(folder / REPORT_JSON),
        "passed": report.verdict == "passed",
        "failed": list(report.failed),
        "inconclusive": list(report.inconclusive),
    }


def find_evaluated(workspace: Workspace, store: Store, report_id: str) -> Evaluated | None:
    """The report of that id, if it was written; a kill may have come before its run said so, which is made good here.

    Raises WorkspaceError or EvaluationError when it was changed since.
    """
    folder = workspace.reports / report_id
    if not folder.is_dir():
        return None
    read_manifest(folder)
    report = read_report(folder)
    with store.snapshot() as session:
        query = select(Run).where(Run.kind == EVALUATION, Run.model_id == report.model, Run.status == "done")
        known = any(run.detail.get("report") == report_id for run in session.scalars(query))
    if not known:
        with recorded_run(store, EVALUATION, report.dataset, report.model) as outcome:
            outcome.detail = detail_of(folder, report)
    return Evaluated(report_id, folder, report)


@dataclass(frozen=True, slots=True)
class Rows:
    """Conversations as training would see them, trimmed to the model's context. Of the training rows, a fixed sample."""

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]


def load_rows(target: Target, folder: Path) -> Rows:
    train, test = load_split(folder, "train"), load_split(folder, "test")
    count = min(max(len(test), FEWEST_TRAIN_ROWS), MOST_TRAIN_ROWS, len(train))
    drawn = random.Random(TRAIN_ROWS_SEED).sample(train, count)
    return Rows(samples_of(target, drawn), samples_of(target, load_split(folder, "validation")), samples_of(target, test))


def reply_room(samples: Sequence[Sample], configured: int, context: int) -> int:
    """Tokens a reply may have: twice the 95th percentile of held-out answers, at least as configured, at most half the context."""
    lengths = sorted(length for sample in samples for length in answer_lengths(sample))
    long_answer = lengths[int(0.95 * (len(lengths) - 1))] if lengths else 0
    return min(max(configured, ROOM * long_answer), context // 2)


def answer_lengths(sample: Sample) -> list[int]:
    """Tokens of each supervised run."""
    lengths, run = [], 0
    for supervised in [*sample.mask, False]:
        if supervised:
            run += 1
        elif run:
            lengths.append(run)
            run = 0
    return lengths


def to_subject(target: Target, network: "PreTrainedModel", settings: Settings, rows: Rows, room: int) -> Subject:
    train, validation, test = (
        negative_log_likelihood(network, part, BATCH_TOKENS) for part in (rows.train, rows.validation, rows.test)
    )
    return Subject(target.name, judged_companion(target, network, settings, room), test, Splits(train, validation, test))


def judged_companion(target: Target, network: "PreTrainedModel", settings: Settings, room: int) -> Companion:
    guards = replace(guards_of(settings.guards), also_generate=True)  # a model is judged by its own words, in a crisis too
    companion = to_companion(target, network, settings.generation, guards)
    return replace(companion, sampling=replace(companion.sampling, max_new_tokens=room))


def kept(workspace: Workspace, subject: Subject, lineage: Lineage) -> Subject:
    """Replies are kept on disk: a killed evaluation goes on, and other checks over the same replies begin there."""
    weights = lineage.hashes["base"] if subject.model_id == BASE else f"{lineage.hashes['base']}+{lineage.hashes['adapter']}"
    engine = KeptEngine(subject.companion.engine, workspace.replies, f"{weights}/{lineage.hashes['template']}")
    return replace(subject, companion=replace(subject.companion, engine=engine))


def lineage_of(target: Target, folder: Path, settings: Settings) -> Lineage:
    assert target.adapter is not None
    metrics = [json.loads(line) for line in (target.adapter / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    bound = bind(target.base, folder, settings.gate, SEED)
    hashes = {"adapter": sha256(target.adapter / ADAPTER_FILE), **bound}
    return Lineage(utc_now().isoformat(timespec="seconds"), hashes, metrics)


def gate_rows(report: Report) -> list[dict[str, Any]]:
    """What a check outside reads: check, value, threshold, passed; and what a person wants beside them."""
    return [
        {
            "check": c.check,
            "value": c.value,
            "threshold": c.threshold,
            "passed": c.passed,
            "outcome": c.outcome,
            "why": c.why,
            "blocking": c.blocking,
            "n": c.n,
            "bound": c.bound,
            "bound_limit": c.bound_limit,
        }
        for c in report.checks
    ]
