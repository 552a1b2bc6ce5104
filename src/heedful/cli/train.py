"""`heedful train`: the newest dataset in, a registered model version out."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from heedful.cli.options import (
    HERE,
    BaseOption,
    BatchOption,
    DatasetOption,
    Desk,
    EpochsOption,
    JsonOption,
    ParentOption,
    PresetOption,
    RankOption,
    RateOption,
    SeedOption,
    StrategyOption,
    WorkspaceOption,
    open_desk,
)
from heedful.cli.output import Observe, Output, progress_bar, reporting
from heedful.cli.plan import show_plan
from heedful.evaluation.intervals import Interval
from heedful.evaluation.learning_curve import CURVE_HTML, curve_as_dict
from heedful.lifecycle.learning_curve import read_sizes, trace_learning_curve
from heedful.lifecycle.strategy import plan_training
from heedful.lifecycle.training import TrainedVersion, choose_dataset, resume_version, train_version
from heedful.lifecycle.unfinished import DISCARD, find_unfinished, list_unfinished
from heedful.lifecycle.unfinished import discard as discard_training
from heedful.training.progress import Progress
from heedful.training.watch import RESUME

app = typer.Typer()


@app.command()
def train(
    dataset: DatasetOption = None,
    base: BaseOption = None,
    epochs: EpochsOption = None,
    rank: RankOption = None,
    learning_rate: RateOption = None,
    batch_size: BatchOption = None,
    seed: SeedOption = None,
    preset: PresetOption = None,
    strategy: StrategyOption = None,
    parent: ParentOption = None,
    learning_curve: Annotated[
        str | None, typer.Option("--learning-curve", help="Train on parts of the data instead: 100,300,all.", show_default="no")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped or killed.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Remove an unfinished training.")] = False,
    training_id: Annotated[
        str | None,
        typer.Option("--training", help="Id of an unfinished training.", show_default="the only one"),
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Train an adapter by the plan; the best checkpoint on the validation split is kept.

    A training that was stopped or killed keeps what it learned; --resume goes on with it, to the very same weights. What is
    unfinished is listed by `heedful doctor`.

    With --learning-curve, train on nested parts of the data and plot the test NLL of each; nothing is registered.

    Example: heedful train --base tiny --epochs 3
    """
    training = {
        "epochs": epochs,
        "rank": rank,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "seed": seed,
        "preset": preset,
        "strategy": strategy,
        "parent": parent,
    }
    check_alone(learning_curve is not None, resume, discard, training_id)
    with reporting(as_json) as output, open_desk(workspace, {"base": base, "training": training}) as desk:
        if discard:
            drop_training(output, desk, training_id)
        elif resume:
            asked = {f"training.{name}": value for name, value in training.items()}
            go_on(output, desk, training_id, {"dataset": dataset, "base": base and desk.settings.base, **asked})
        elif learning_curve is not None:
            trace(output, desk, choose_dataset(desk.workspace, dataset), learning_curve)
        else:
            train_anew(output, desk, choose_dataset(desk.workspace, dataset))


def check_alone(learning_curve: bool, resume: bool, discard: bool, training_id: str | None) -> None:
    if learning_curve + resume + discard > 1:
        raise typer.BadParameter("--learning-curve, --resume and --discard exclude one another")
    if training_id is not None and not (resume or discard):
        raise typer.BadParameter("--training goes with --resume or --discard")


def train_anew(output: Output, desk: Desk, dataset: str) -> None:
    for one in list_unfinished(desk.workspace):
        output.say(f"unfinished: training {one.in_words()}; {RESUME} goes on with it, {DISCARD} removes it")
    planned = plan_training(desk.workspace, desk.store, desk.settings, dataset)
    show_plan(output, planned.plan)
    with progress_bar(output, "train") as observe:
        watched = watching(output, observe)
        version = train_version(desk.workspace, desk.store, dataset, desk.settings, planned, desk.actor, watched)
    report(output, version)


def go_on(output: Output, desk: Desk, training_id: str | None, flags: Mapping[str, Any]) -> None:
    with progress_bar(output, "train") as observe:
        version = resume_version(desk.workspace, desk.store, training_id, flags, desk.actor, watching(output, observe))
    report(output, version)


def watching(output: Output, observe: Observe) -> Callable[[Progress], None]:
    """Moves the bar; what is to be told once becomes a line above it."""

    def show(progress: Progress) -> None:
        if progress.note:
            output.stderr.print(Text(progress.note))
        observe(progress.step, progress.steps, note(progress))

    return show


def report(output: Output, version: TrainedVersion) -> None:
    show_trained(output, version)
    output.say(f"next: heedful evaluate {version.model}")
    output.result(asdict(version))


def drop_training(output: Output, desk: Desk, training_id: str | None) -> None:
    one = find_unfinished(desk.workspace, training_id, DISCARD)
    discard_training(one)
    output.say(f"removed: {one.in_words()}")
    output.result({"discarded": one.id})


def trace(output: Output, desk: Desk, dataset: str, sizes: str) -> None:
    """Train on each size, show the curve as a table and say where the plot lies."""
    wanted = read_sizes(sizes)
    with progress_bar(output, "train") as observe:
        traced = trace_learning_curve(
            desk.workspace,
            desk.store,
            dataset,
            desk.settings,
            wanted,
            lambda size, p: observe(p.step, p.steps, f"{size} conversations, {note(p)}"),
        )
    curve = traced.curve
    rows = [
        (
            point.conversations,
            figure(point.test_nll),
            span(point.interval),
            figure(point.saved),
            span(point.saved_interval),
            point.steps,
        )
        for point in curve.points
    ]
    columns = ("conversations", "test NLL", "95% interval", "saved by this step", "95% interval", "steps")
    output.table(f"learning curve of {dataset}", columns, rows)
    if curve.left_out:
        output.say(f"left out, more than the conversations there are: {', '.join(map(str, curve.left_out))}")
    output.say(curve.words)
    output.say(f"plot: {traced.folder / CURVE_HTML}")
    output.result({"learning_curve": traced.report_id, "report": str(traced.folder / CURVE_HTML), **curve_as_dict(curve)})


def figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def span(interval: Interval | None) -> str:
    return "–" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def note(progress: Progress) -> str:
    """What stands behind the bar; ETA is on the bar itself, but plain logs need it too."""
    validation = "" if progress.validation_nll is None else f", validation {progress.validation_nll:.3f}"
    if progress.loss is None:
        return "" if progress.eta_s is None else f"about {progress.eta_s:.0f} s by the plan"
    return f"loss {progress.loss:.3f}{validation}, {progress.tokens_per_s:.0f} tokens/s, {progress.eta_s:.0f} s left"


def show_trained(output: Output, version: TrainedVersion) -> None:
    output.say(
        f"model {version.model}{' (the same weights as before)' if version.existing else ''}: {version.steps} steps in "
        f"{version.seconds:.0f} s, best validation NLL {version.best_validation_nll:.3f}; {version.path}"
    )
