"""`heedful promote`: a proven version becomes the champion; a version whose gate fails is refused by name."""

from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.registry.promotion import promote as promote_version

app = typer.Typer()


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="Id of a version.", show_default=False)],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Make a proven model the champion. Refused while a blocking check fails; the check is named.

    Example: heedful promote m-0123456789
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        moved = promote_version(desk.store, desk.workspace, model, desk.actor)
        output.say(f"champion: {moved.champion} (before: {moved.previous or 'none'}); undo with: heedful rollback")
        output.result({"champion": moved.champion, "previous": moved.previous, "report": moved.report})
