"""`heedful plan`: what training would do with this data on this machine, and why."""

from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.init import recipe_path
from heedful.cli.options import (
    HERE,
    BaseOption,
    BatchOption,
    DatasetOption,
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
from heedful.cli.output import Output, reporting
from heedful.lifecycle.strategy import plan_training
from heedful.lifecycle.training import choose_dataset
from heedful.training.plan import TrainingPlan, describe

app = typer.Typer()
RECIPE_HELP = "Show what a use case such as calma-llama would do with this data: its configuration, not heedful.yaml."


@app.command()
def plan(
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
    recipe: Annotated[str | None, typer.Option("--recipe", help=RECIPE_HELP, show_default="none")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show the training plan: every value with its reason. A flag overrides a value.

    Example: heedful plan --strategy continue
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
    flags = {"base": base, "training": training}
    with reporting(as_json) as output, open_desk(workspace, flags, config=file_of(recipe)) as desk:
        chosen = choose_dataset(desk.workspace, dataset)
        made = plan_training(desk.workspace, desk.store, desk.settings, chosen).plan
        show_plan(output, made)
        output.result({"dataset": chosen, "base": desk.settings.base, "plan": made.as_dict()})


def file_of(recipe: str | None) -> Path | None:
    return None if recipe is None else recipe_path(recipe)


def show_plan(output: Output, plan: TrainingPlan) -> None:
    rows = [(name, in_words(value), why) for name, value, why in describe(plan)]
    output.table("training plan", ("what", "value", "why"), rows)


def in_words(value: object) -> str:
    """A number without needless zeros; of a long list the first names and the count (`--json` has them all)."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) if len(value) <= 2 else f"{value[0]}, {value[1]} ... ({len(value)})"
    return f"{value:g}" if isinstance(value, float) else str(value)
