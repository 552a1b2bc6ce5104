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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from heedful.companion.turn import Companion
from heedful.config import GateSettings, Settings
from heedful.dataset import dataset_dir, load_split
from heedful.engines.base import Engine
from heedful.engines.kept import KeptEngine
from heedful.evaluation.binding import bind
from heedful.evaluation.evaluate import SEED, Lineage, Subject, evaluate
from heedful.evaluation.learning import Splits
from heedful.evaluation.matrix import MATRIX_JSON, matrix_to_json
from heedful.evaluation.replies import Observe
from heedful.evaluation.report import REPORT_JSON, Report, read_report
from heedful.lifecycle.companions import (
    BASE,
    Target,
    find_target,
    guards_of,
    load_local_engine,
    load_network,
    sampling_of,
)
from heedful.lifecycle.evidence import champion_of, gather, samples_of, standing_of
from heedful.lifecycle.judge import judge_of
from heedful.lifecycle.matrix import BATCH_TOKENS, grid_of, measure, read_matrix, whole_split
from heedful.lifecycle.runs import recorded_run
from heedful.modeling.bases import context_length
from heedful.modeling.chat_template import Sample
from heedful.modeling.likelihood import Nll, negative_log_likelihood
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
    grid = grid_of(workspace, store, version.id)
    base, champion = replace(tuned, name=BASE, adapter=None), champion_of(workspace, standing, tuned)
    report_id = f"r-{uuid.uuid4().hex[:10]}" if report_id is None else report_id
    with recorded_run(store, EVALUATION, version.dataset, version.id) as outcome, staging(workspace.reports) as aside:
        lineage = lineage_of(tuned, folder, settings)
        networks = load_network(tuned, settings), load_network(base, settings)
        measure(workspace, settings, grid.rows[-1], networks[0])
        measure(workspace, settings, grid.rows[0], networks[1])
        matrix = read_matrix(workspace, grid)
        evidence = gather(standing, folder, tuned, networks, champion, settings)
        cells = [whole_split(workspace, row, version.dataset, rows.tests) for row in (grid.rows[-1], grid.rows[0])]
        splits = [splits_of(network, rows, cell) for network, cell in zip(networks, cells, strict=True)]
        del networks  # engines that answer have their own copy of the weights
        to_judge = partial(to_subject, workspace, settings, room, lineage)
        first, second = to_judge(tuned, splits[0]), to_judge(base, splits[1])
        rival = None if champion is None else to_judge(champion)
        told = replace(lineage, matrix=matrix, overrides=overrides, evidence=evidence, champion=rival, judge=judge)
        report = asyncio.run(evaluate_and_close(first, second, folder, settings.gate, aside, told, observe))
        write_text(aside / MATRIX_JSON, matrix_to_json(matrix))
        quoted = "" if champion is None else champion.name  # its replies stand in the report; an erasure looks for them
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
    """Conversations as training would see them, trimmed to the model's context. Of the training rows, a fixed sample.

    `tests` counts the test conversations before trimming.
    """

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    tests: int


def load_rows(target: Target, folder: Path) -> Rows:
    train, test = load_split(folder, "train"), load_split(folder, "test")
    count = min(max(len(test), FEWEST_TRAIN_ROWS), MOST_TRAIN_ROWS, len(train))
    drawn = random.Random(TRAIN_ROWS_SEED).sample(train, count)
    validation = load_split(folder, "validation")
    return Rows(samples_of(target, drawn), samples_of(target, validation), samples_of(target, test), len(test))


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


def splits_of(network: "PreTrainedModel", rows: Rows, test: Nll | None) -> Splits:
    """`test` where it was measured for the matrix already."""
    train, validation = (negative_log_likelihood(network, part, BATCH_TOKENS) for part in (rows.train, rows.validation))
    return Splits(train, validation, negative_log_likelihood(network, rows.test, BATCH_TOKENS) if test is None else test)


def to_subject(
    workspace: Workspace, settings: Settings, room: int, lineage: Lineage, target: Target, splits: Splits | None = None
) -> Subject:
    """It answers as it would in service: the same engine, sampling and guards, but by its own words in a crisis too."""
    wanted = "auto" if settings.serving.engine == "upstream" else settings.serving.engine  # what is judged is the version
    engine = load_local_engine(workspace, target, settings, wanted)
    guards = replace(guards_of(settings.guards), also_generate=True)
    sampling = replace(sampling_of(settings.generation), max_new_tokens=room)
    companion = Companion(kept(workspace, lineage, target, engine), target.system_prompt, sampling, guards)
    return Subject(target.name, companion, None if splits is None else splits.test, splits)


def kept(workspace: Workspace, lineage: Lineage, target: Target, engine: Engine) -> KeptEngine:
    """Replies are kept on disk: a killed evaluation goes on, and other checks over the same replies begin there.

    Another engine, or the same in other numbers, may say another word; so it is part of what they are kept under.
    """
    adapter = "" if target.adapter is None else sha256(target.adapter / ADAPTER_FILE)
    can = engine.capabilities
    return KeptEngine(
        engine, workspace.replies, "/".join((lineage.hashes["base"], adapter, lineage.hashes["template"], can.name, can.how))
    )


async def evaluate_and_close(
    subject: Subject, base: Subject, folder: Path, gate: GateSettings, aside: Path, lineage: Lineage, observe: Observe | None
) -> Report:
    try:
        return await evaluate(subject, base, folder, gate, aside, lineage, observe)
    finally:
        for one in filter(None, (subject, base, lineage.champion)):
            await one.companion.engine.close()


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
