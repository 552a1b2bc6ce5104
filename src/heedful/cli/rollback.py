"""`heedful rollback`: the former champion serves again."""

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.registry.promotion import rollback as roll_back

app = typer.Typer()


@app.command()
def rollback(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Serve the former champion again. A second rollback undoes the first.

    Example: heedful rollback
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        moved = roll_back(desk.store, desk.workspace, desk.actor)
        output.say(f"champion: {moved.champion} (before: {moved.previous})")
        output.result({"champion": moved.champion, "previous": moved.previous})
