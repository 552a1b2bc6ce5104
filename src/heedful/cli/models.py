"""`heedful models`: every version with its aliases and where it came from."""

from typing import Any

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.registry.aliases import fell_to_base
from heedful.registry.promotion import newest_evaluation
from heedful.registry.versions import list_versions

app = typer.Typer()


@app.command()
def models(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List model versions and aliases.

    Example: heedful models --json
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.snapshot() as session:
            versions = list_versions(session)
            verdicts = {v.id: newest_evaluation(session, v.id) for v in versions}
            fallen = fell_to_base(session)
        said = {v.id: "quarantined" if v.quarantined else in_words(verdicts[v.id]) for v in versions}
        rows = [(v.id, ", ".join(v.aliases), said[v.id], v.base, v.dataset, f"{v.created_at:%Y-%m-%d %H:%M}") for v in versions]
        output.table("models", ("id", "aliases", "gate", "base", "dataset", "trained"), rows)
        if fallen:
            output.say("champion: the base alone, for an erasure left no clean version; next: heedful dataset build, heedful train")
        keys = ("id", "aliases", "parent", "dataset", "base", "adapter_sha256", "created_at", "quarantined")
        output.result({"versions": [{**{key: getattr(v, key) for key in keys}, "gate": said[v.id]} for v in versions]})


def in_words(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return "not evaluated"
    return "passed" if verdict["passed"] else f"failed {', '.join(verdict['failed'])}"
