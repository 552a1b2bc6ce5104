"""`heedful train`: the newest dataset in, a registered model version out."""

from dataclasses import asdict

import typer

from heedful.cli.options import (
    HERE,
    BaseOption,
    BatchOption,
    DatasetOption,
    EpochsOption,
    JsonOption,
    PresetOption,
    RankOption,
    RateOption,
    SeedOption,
    WorkspaceOption,
    open_desk,
)
from heedful.cli.output import Output, progress_bar, reporting
from heedful.cli.plan import show_plan
from heedful.lifecycle.training import TrainedVersion, choose_dataset, plan_training, train_version
from heedful.training.progress import Progress

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
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Train an adapter by the plan; the best checkpoint on the validation split is kept.

    Example: heedful train --base tiny --epochs 3
    """
    training = {
        "epochs": epochs,
        "rank": rank,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "seed": seed,
        "preset": preset,
    }
    with reporting(as_json) as output, open_desk(workspace, {"base": base, "training": training}) as desk:
        chosen = choose_dataset(desk.workspace, dataset)
        plan = plan_training(desk.workspace, desk.settings, chosen)
        show_plan(output, plan)
        with progress_bar(output, "train") as observe:
            version = train_version(
                desk.workspace, desk.store, chosen, desk.settings, plan, desk.actor, lambda p: observe(p.step, p.steps, note(p))
            )
        show_trained(output, version)
        output.say(f"next: heedful evaluate {version.model}")
        output.result(asdict(version))


def note(progress: Progress) -> str:
    """What stands behind the bar; ETA is on the bar itself, but plain logs need it too."""
    validation = "" if progress.validation_nll is None else f", validation {progress.validation_nll:.3f}"
    return f"loss {progress.loss:.3f}{validation}, {progress.tokens_per_s:.0f} tokens/s, {progress.eta_s:.0f} s left"


def show_trained(output: Output, version: TrainedVersion) -> None:
    output.say(
        f"model {version.model}{' (the same weights as before)' if version.existing else ''}: {version.steps} steps in "
        f"{version.seconds:.0f} s, best validation NLL {version.best_validation_nll:.3f}; {version.path}"
    )
