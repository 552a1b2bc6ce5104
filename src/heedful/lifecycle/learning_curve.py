"""Learning curve: a dataset and sizes in; a training on each, and a report of test NLL by size out. No version is registered."""

import random
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from heedful.config import Settings
from heedful.dataset import dataset_dir
from heedful.errors import EvaluationError, TrainingError
from heedful.evaluation.learning_curve import (
    CURVE_HTML,
    CURVE_JSON,
    LearningCurve,
    Trial,
    curve_to_html,
    curve_to_json,
    draw_points,
    last_step_words,
)
from heedful.lifecycle.companions import BASE, Target, load_network
from heedful.lifecycle.evaluation import load_rows
from heedful.lifecycle.matrix import BATCH_TOKENS
from heedful.lifecycle.runs import recorded_run
from heedful.modeling.chat_template import Sample
from heedful.modeling.likelihood import Nll, negative_log_likelihood
from heedful.store.database import Store
from heedful.store.schema import utc_now
from heedful.training.plan import make_plan
from heedful.training.progress import Progress
from heedful.training.train import train
from heedful.workspace import Workspace, staging, write_manifest, write_text

ALL = "all"
KIND = "learning-curve"
EXAMPLE = "heedful train --learning-curve 100,300,1000,all"

Observe = Callable[[int, Progress], None]  # conversations of the training under way, and where it is


@dataclass(frozen=True, slots=True)
class Traced:
    """The curve and where it lies."""

    report_id: str
    folder: Path
    curve: LearningCurve


def read_sizes(text: str) -> tuple[int | None, ...]:
    """`100,300,all` as numbers, None for all. Raises TrainingError for anything else."""
    sizes: list[int | None] = []
    for part in text.split(","):
        word = part.strip()
        if word != ALL and not (word.isascii() and word.isdigit() and int(word) > 0):
            raise TrainingError(f"--learning-curve {text!r}: {word!r} is neither a number of conversations nor {ALL!r}", EXAMPLE)
        sizes.append(None if word == ALL else int(word))
    return tuple(sizes)


def trace_learning_curve(
    workspace: Workspace,
    store: Store,
    dataset_id: str,
    settings: Settings,
    sizes: Sequence[int | None],
    observe: Observe | None = None,
) -> Traced:
    """Train on nested parts of the training rows, drawn by the seed of training, each by its own plan; score all on the test split.

    Raises EvaluationError for an empty test split, and what training raises; no report is left behind then.
    """
    folder = dataset_dir(workspace, dataset_id)
    target = Target(BASE, settings.base, None, settings.system_prompt)
    test = load_rows(target, folder).test
    if not test:
        raise EvaluationError(
            f"the test split of dataset {dataset_id} holds no answer to score", "heedful import FILE, then heedful dataset build"
        )
    lines = shuffled_lines(folder / "train.jsonl", settings.training.seed)
    chosen, left_out = within(sizes, len(lines))
    report_id = f"lc-{uuid.uuid4().hex[:10]}"
    with recorded_run(store, KIND, dataset_id) as outcome, staging(workspace.reports) as aside, staging(workspace.models) as bench:
        trials = [Trial(0, 0, 0.0, None, score(target, settings, test))]
        for size in chosen:
            trials.append(try_size(bench, folder, lines[:size], settings, test, observe))
        points = draw_points(trials)
        curve = LearningCurve(
            dataset=dataset_id,
            base=settings.base,
            created_at=utc_now().isoformat(timespec="seconds"),
            seed=settings.training.seed,
            left_out=left_out,
            points=points,
            words=last_step_words(points),
        )
        write_text(aside / CURVE_JSON, curve_to_json(curve))
        write_text(aside / CURVE_HTML, curve_to_html(curve))
        write_manifest(aside, {"kind": KIND, "id": report_id, "dataset": dataset_id})
        aside.rename(workspace.reports / report_id)
        outcome.detail = {"report": report_id}
    return Traced(report_id, workspace.reports / report_id, curve)


def within(sizes: Sequence[int | None], there: int) -> tuple[list[int], tuple[int, ...]]:
    """(sizes that there are, ascending and once; sizes that are too large). When all are too large, everything is taken."""
    asked = {there if size is None else size for size in sizes}
    fitting = sorted(size for size in asked if size <= there)
    return (fitting if fitting else [there]), tuple(sorted(asked - set(fitting)))


def shuffled_lines(path: Path, seed: int) -> list[str]:
    """Rows of a split file in an order that the seed decides; the first n of it are a part of the first n + 1."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return random.Random(seed).sample(lines, len(lines))


def try_size(
    bench: Path, dataset: Path, lines: Sequence[str], settings: Settings, test: Sequence[Sample], observe: Observe | None
) -> Trial:
    """Train on `lines` and score; rows and adapter are removed again, for they hold what people wrote."""
    part, adapter = bench / f"{dataset.name}-{len(lines)}", bench / f"adapter-{len(lines)}"
    part.mkdir()
    adapter.mkdir()
    write_text(part / "train.jsonl", "".join(f"{line}\n" for line in lines))
    shutil.copyfile(dataset / "validation.jsonl", part / "validation.jsonl")
    report = None if observe is None else lambda progress: observe(len(lines), progress)
    trained = train(part, settings.base, make_plan(part, settings.base, settings.device, settings.training), adapter, report)
    found = score(Target(BASE, settings.base, adapter, settings.system_prompt), settings, test)
    shutil.rmtree(part)
    shutil.rmtree(adapter)
    return Trial(len(lines), trained.steps, trained.seconds, trained.best_validation_nll, found)


def score(target: Target, settings: Settings, test: Sequence[Sample]) -> Nll:
    return negative_log_likelihood(load_network(target, settings), test, BATCH_TOKENS)
