"""`heedful handover list|ack|sweep`: people in danger who wait for somebody of the team. Numbers, times and kinds; no words."""

from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.lifecycle.handover import as_report, sweep
from heedful.store.handovers import acknowledge, list_handovers
from heedful.store.schema import utc_now
from heedful.store.schema_guards import Handover

app = typer.Typer(
    no_args_is_help=True, help="People in danger who wait for somebody of the team.\n\nExample: heedful handover list"
)
COLUMNS = ("number", "tier", "kinds", "subject", "turns", "opened", "state")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that somebody acknowledged.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Open hand-overs, the most urgent first.

    Example: heedful handover list
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.snapshot() as session:
            found = list_handovers(session, every)
        rows = [
            (str(h.id), h.tier, ", ".join(h.detail["kinds"]), h.subject, str(h.turns), f"{h.opened_at:%Y-%m-%d %H:%M}", state_of(h))
            for h in found
        ]
        output.table("hand-overs", COLUMNS, rows)
        output.result({"handovers": [{**as_report(handover), "state": state_of(handover)} for handover in found]})
        if any(handover.acknowledged_at is None for handover in found):
            output.say("next: heedful handover ack NUMBER")


@app.command()
def ack(
    number: Annotated[int, typer.Argument(help="As heedful handover list shows it.", show_default=False)],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Say that you take care of it. Your name and the time are kept.

    Example: heedful handover ack 17
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.session() as session:
            taken = acknowledge(session, number, desk.actor)
        output.say(f"hand-over {number} is yours, {taken.acknowledged_by}")
        output.result({"handover": number, "acknowledged_by": taken.acknowledged_by, "acknowledged_at": taken.acknowledged_at})


@app.command("sweep")
def sweep_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Run the fall-back for hand-overs that nobody acknowledged in time. heedful serve does so by itself; this is for a cron job.

    Example: heedful handover sweep
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        overdue = sweep(desk.store, desk.settings.guards)
        for report in overdue:
            after = "the fall-back was told" if report["fell_back"] else "nobody was told: set guards.handover_fallback"
            output.say(f"hand-over {report['handover']}: unanswered; {after}")
        output.result({"unanswered": overdue})


def state_of(handover: Handover) -> str:
    if handover.acknowledged_at is not None:
        return f"taken by {handover.acknowledged_by}"
    if utc_now() < handover.due_at:
        return f"due {handover.due_at:%H:%M} UTC"
    return "OVERDUE" if handover.fell_back_at is None else "OVERDUE, fell back"
