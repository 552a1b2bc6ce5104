"""`heedful models`: every version with its aliases and where it came from; what was forgotten; a deep stack made shallow."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from heedful.cli.options import HERE, Desk, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import Output, progress_bar, reporting
from heedful.evaluation.matrix import matrix_as_dict, table
from heedful.lifecycle.compaction import compact_version
from heedful.lifecycle.companions import newest_or_named
from heedful.lifecycle.matrix import fill_matrix
from heedful.lifecycle.pruning import Prunable
from heedful.lifecycle.pruning import prune as prune_workspace
from heedful.lifecycle.unfinished import list_unfinished
from heedful.registry.aliases import fell_to_base
from heedful.registry.promotion import newest_evaluation
from heedful.registry.versions import Version, find_version, list_versions, model_directory
from heedful.training.step_rows import rows_of
from heedful.workspace import MANIFEST, Workspace, read_manifest

app = typer.Typer()


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Show the NLL of every generation on what each round brought, and what was forgotten.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """List model versions and aliases.

    Example: heedful models --matrix
    """
    if context.invoked_subcommand is not None:
        return
    with reporting(as_json) as output, open_desk(workspace) as desk:
        if matrix:
            show_matrix(output, desk)
        else:
            show_versions(output, desk)


@app.command()
def compact(
    model: Annotated[str, typer.Argument(help="Id or alias.", show_default=False)],
    rank: Annotated[int | None, typer.Option("--rank", help="Ranks to keep.", show_default="the fewest within 10%")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Make one adapter of few ranks out of a deep stack; the error is stated, and the new version has to pass the gate.

    Example: heedful models compact champion --rank 16
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        found = compact_version(desk.workspace, desk.store, model, rank, desk.actor)
        output.say(
            f"model {found.model}{' (the same weights as before)' if found.existing else ''}: {found.rank} ranks instead of "
            f"{found.rank_before} in {found.depth_before} generations; {found.error:.2%} of the update was left out, "
            f"{found.worst:.2%} of the module that lost most"
        )
        output.say(f"next: heedful evaluate {found.model}")
        output.result(asdict(found))


@app.command()
def rows(
    model: Annotated[str, typer.Argument(help="Id or alias of a version, or id of an unfinished training.", show_default=False)],
    step: Annotated[int, typer.Argument(help="From 1.", show_default=False)],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show which rows of which dataset made a step, as metrics.jsonl counts steps.

    Example: heedful models rows champion 17
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        found = rows_of(training_folder(desk, model), step)
        for dataset, numbers in found.items():
            output.say(f"{desk.workspace.datasets / dataset / 'train.jsonl'}: rows {', '.join(map(str, numbers))}")
        output.result({"step": step, "rows": found})


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    keep: Annotated[int | None, typer.Option(min=1, help="Newest versions that stay.", show_default="worker.keep_versions")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days that what can be made again stays.", show_default="worker.keep_days")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Remove the files of versions, datasets and reports that nobody needs any more. What learned from whom stays known.

    Aliases, former champions and what they stand on always stay. Traces of turns, kept replies, cells of the matrix and learning
    curves go after a time; traces of an experiment that runs stay.

    Example: heedful models prune --dry-run
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        kept = desk.settings.worker.keep_versions if keep is None else keep
        age = desk.settings.worker.keep_days if days is None else days
        found = prune_workspace(desk.workspace, desk.store, kept, desk.actor, dry_run, age)
        rows = [(name, len(names), ", ".join(names)) for name, names in listed(found)]
        old = "" if age is None else f"older than {age} days"
        rows += [("traces", found.traces, old), ("replies", found.replies, old), ("cells", found.cells, old)]
        output.table("would go" if dry_run else "removed", ("files of", "count", "names"), rows)
        output.say(f"{found.bytes / 1e6:.1f} MB")
        if dry_run and any(found.counts().values()):
            output.say("next: heedful models prune")
        output.result({"dry_run": dry_run, **asdict(found)})


def listed(found: Prunable) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("models", found.models),
        ("datasets", found.datasets),
        ("reports", found.reports),
        ("served", found.served),
        ("leavings", found.leavings),
        ("curves", found.curves),
    ]


def training_folder(desk: Desk, name: str) -> Path:
    unfinished = {one.id: one.model for one in list_unfinished(desk.workspace)}
    if name in unfinished:
        return unfinished[name]
    with desk.store.snapshot() as session:
        return model_directory(desk.workspace, find_version(session, name).id)


def show_versions(output: Output, desk: Desk) -> None:
    with desk.store.snapshot() as session:
        versions = list_versions(session)
        verdicts = {v.id: newest_evaluation(session, v.id) for v in versions}
        fallen = fell_to_base(session)
    said = {v.id: "quarantined" if v.quarantined else "pruned" if v.pruned else in_words(verdicts[v.id]) for v in versions}
    depths = {v.id: depth(desk.workspace, v) for v in versions}
    columns = ("id", "aliases", "gate", "base", "dataset", "depth", "trained")
    rows = [
        (
            v.id,
            ", ".join(v.aliases),
            said[v.id],
            v.base,
            v.dataset,
            "–" if depths[v.id] is None else depths[v.id],
            f"{v.created_at:%Y-%m-%d %H:%M}",
        )
        for v in versions
    ]
    output.table("models", columns, rows)
    if fallen:
        output.say("champion: the base alone, for an erasure left no clean version; next: heedful dataset build, heedful train")
    keys = ("id", "aliases", "parent", "dataset", "base", "adapter_sha256", "created_at", "quarantined", "pruned")
    shown = [{**{key: getattr(v, key) for key in keys}, "gate": said[v.id], "depth": depths[v.id]} for v in versions]
    output.result({"versions": shown})


def show_matrix(output: Output, desk: Desk) -> None:
    with progress_bar(output, "measure") as observe:
        newest = newest_or_named(desk.store, None)
        found = fill_matrix(desk.workspace, desk.store, desk.settings, newest, lambda done, total: observe(done, total, ""))
    columns, rows = table(found)
    output.table("NLL, nats a token, on the test conversations that came with each round", columns, rows)
    output.say(found.words)
    output.result(matrix_as_dict(found))


def depth(workspace: Workspace, version: Version) -> int | None:
    """Generations of its stack; None when its files are gone."""
    folder = model_directory(workspace, version.id)
    return len(read_manifest(folder, verify=False)["stack"]) if (folder / MANIFEST).is_file() else None


def in_words(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return "not evaluated"
    if verdict["passed"]:
        return "passed"
    return f"failed {', '.join(verdict['failed'])}" if verdict["failed"] else f"inconclusive {', '.join(verdict['inconclusive'])}"
