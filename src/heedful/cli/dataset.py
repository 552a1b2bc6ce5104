"""`heedful dataset build|list|show`."""

from typing import Annotated, Any

import typer

from heedful.cli.options import HERE, CitingOption, JsonOption, SamplesOption, SeedOption, SplitOption, WorkspaceOption, open_desk
from heedful.cli.output import Output, progress_bar, reporting
from heedful.dataset import BuiltDataset, build_dataset, dataset_dir, list_datasets, show_dataset
from heedful.lifecycle.grounding import grounding_of
from heedful.privacy import DIRECT

app = typer.Typer(no_args_is_help=True, help="Build, list and show dataset versions.")


@app.command()
def build(
    max_samples: SamplesOption = None,
    split: SplitOption = None,
    seed: SeedOption = None,
    knowledge: CitingOption = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Filter, divide and freeze what is in the store. The same content gives the same version.

    Example: heedful dataset build --max-samples 300 --split 90/10
    """
    flags = {"dataset": {"max_samples": max_samples, "seed": seed, "split": split, "knowledge": knowledge}}
    with reporting(as_json) as output, open_desk(workspace, flags) as desk:
        settings = desk.settings
        with progress_bar(output, "dataset") as observe:
            built = build_dataset(
                *(desk.store, desk.workspace, settings.dataset, settings.system_prompt, desk.actor, observe),
                ground=grounding_of(desk.workspace, settings),
            )
        show_built(output, built)
        if settings.dataset.identifiers == "keep":
            output.say("warning: identifiers are kept, because dataset.identifiers is keep; the model may learn who people are")
        output.result(
            {
                "dataset": built.id,
                "counts": built.counts,
                "dropped": built.dropped,
                "existing": built.existing,
                "grounded": built.grounded,
            }
        )


def show_built(output: Output, built: BuiltDataset) -> None:
    counts = ", ".join(f"{split} {count}" for split, count in built.counts.items())
    dropped = ", ".join(f"{reason} {count}" for reason, count in built.dropped.items() if count)
    output.say(f"dataset {built.id}{' (unchanged)' if built.existing else ''}: {counts}")
    if any(built.grounded.values()):
        made = ", ".join(f"{outcome} {count}" for outcome, count in built.grounded.items() if count)
        output.say(f"examples with passages: {made}")
    output.say(f"left out: {dropped or 'nothing'}; card: {built.path / 'card.html'}")


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """All versions, oldest first.

    Example: heedful dataset list
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        datasets = list_datasets(desk.workspace)
        rows = [(d["id"], d["created_at"][:16], *d["counts"].values()) for d in datasets]
        output.table("datasets", ("id", "built", "train", "validation", "test"), rows)
        output.result({"datasets": datasets})


@app.command()
def show(
    dataset: Annotated[str, typer.Argument(help="Id of a dataset.", show_default=False)],
    identifiers: Annotated[bool, typer.Option("--identifiers", help="Only how many identifiers were replaced, by kind.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """The card of one version, after its files were checked against their hashes.

    Example: heedful dataset show ds-0123456789 --identifiers
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        manifest = show_dataset(desk.workspace, dataset)
        if identifiers:
            show_identifiers(output, manifest["identifiers"])
            return
        output.say((dataset_dir(desk.workspace, dataset) / "card.md").read_text(encoding="utf-8"))
        output.result(manifest)


def show_identifiers(output: Output, found: dict[str, Any]) -> None:
    """Counts only: what was replaced is nowhere."""
    rows = [(kind, "direct" if kind in DIRECT else "quasi", count) for kind, count in found["places"].items()]
    title = f"identifiers replaced in {found['conversations']} conversations"
    output.table(title if found["mode"] == "replace" else "identifiers were kept", ("kind", "class", "places"), rows)
    output.result(found)
