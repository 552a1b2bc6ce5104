"""`heedful promote`: a proven version becomes the champion; a version whose gate refuses needs a person who answers for it."""

from typing import Annotated

import typer

from heedful.cli.options import HERE, Desk, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import Output, reporting
from heedful.errors import ConfigError
from heedful.registry.override import Asked, override
from heedful.registry.override import approve as approve_override
from heedful.registry.promotion import Promotion
from heedful.registry.promotion import promote as promote_version

app = typer.Typer()


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="Id of a version.", show_default=False)],
    against: Annotated[
        bool, typer.Option("--override", help="Promote although the gate refuses; it is written down for ever.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for --override.", show_default=False)] = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Say yes, as the second person, to an override that somebody asked for.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Make a proven model the champion. Refused while a blocking check fails or is inconclusive; the check is named.

    Example: heedful promote m-0123456789
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        if against is (reason is None) or (against and approve):
            raise ConfigError("--override and --reason TEXT belong together, and --approve stands alone", "heedful promote --help")
        show(output, carry_out(desk, model, reason, approve))


def carry_out(desk: Desk, model: str, reason: str | None, approve: bool) -> Promotion | Asked:
    place = desk.store, desk.workspace, desk.settings.gate, model, desk.actor
    if reason is not None:
        return override(*place, reason)
    return approve_override(*place) if approve else promote_version(*place)


def show(output: Output, done: Promotion | Asked) -> None:
    if isinstance(done, Asked):
        output.say(f"{done.model} waits for a second person until {done.until:%Y-%m-%d %H:%M} UTC; nothing moved yet")
        output.say(f"next: another operator runs: heedful promote {done.model} --approve")
        output.result({"champion": None, "waiting": done.model, "refused_by": done.refused_by, "until": done.until.isoformat()})
        return
    output.say(f"champion: {done.champion} (before: {done.previous or 'none'}); undo with: heedful rollback")
    output.result({"champion": done.champion, "previous": done.previous, "report": done.report})
