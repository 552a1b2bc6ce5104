"""`heedful audit` and `heedful audit verify`: the trail of who did what, and whether it is whole."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import FAILED, reporting
from heedful.errors import ConfigError
from heedful.lifecycle.receipts import anchors_of, changed_receipts
from heedful.store.audit import Head, Wanted, head, list_events
from heedful.store.audit_check import Anchor, Finding, check_trail
from heedful.store.schema import AuditEvent
from heedful.workspace import Workspace

WHOLE = {"reason", "refused_by"}

app = typer.Typer(
    help="List who did what and when.\n\nExample: heedful audit --action promote --since 2026-11-01; heedful audit verify"
)


@app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this person did.", show_default="everybody")] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Only this action, such as promote; consent covers consent.*", show_default="all")
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only what was done to this.", show_default="all")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only from this day on, as 2026-11-20.", show_default="all")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest.", min=1)] = 100,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """List who did what and when, oldest first.

    Example: heedful audit --action promote --since 2026-11-01
    """
    if context.invoked_subcommand is not None:
        return
    with reporting(as_json) as output, open_desk(workspace) as desk:
        wanted = Wanted(actor, action, subject, read_day(since), limit)
        with desk.store.snapshot() as session:
            events = list_events(session, wanted)
        rows = [(e.id, f"{e.created_at:%Y-%m-%d %H:%M:%S}", e.actor, e.action, e.subject, in_words(e.detail)) for e in events]
        output.table("audit", ("id", "at (UTC)", "actor", "action", "subject", "detail"), rows)
        output.result({"events": [as_dict(event) for event in events]})


@app.command()
def verify(
    against: Annotated[
        str | None, typer.Option("--head", help="EVENT:HASH that was written down elsewhere.", show_default="receipts only")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Check that no event was changed, removed or added, against the receipts of erasures too.

    Exit code 1 and every place where something is wrong, when it is. The head that is printed can be kept elsewhere for --head.

    Example: heedful audit verify
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        anchors = [*anchors_of(desk.workspace), *([] if against is None else [read_head(against)])]
        with desk.store.snapshot() as session:
            findings, newest = check_trail(session, anchors), head(session)
            findings += [Finding(None, f"{name} is not the receipt that was written") for name in altered(desk.workspace, session)]
        for finding in findings:
            output.say(finding.problem)
        if not findings:
            output.say(f"the trail is whole: {newest.event} events, {len(anchors)} anchors; head {newest.event}:{newest.hash}")
        output.result(
            {"whole": not findings, "head": asdict(newest), "anchors": len(anchors), "findings": [asdict(f) for f in findings]}
        )
        if findings:
            raise typer.Exit(FAILED)


def altered(workspace: Workspace, session: Session) -> list[str]:
    """Receipts whose file is not the one whose hash the trail holds."""
    ended = [event.detail for event in list_events(session, Wanted(action="erase", limit=10**6)) if event.action == "erase"]
    written = {detail["receipt"]: detail["receipt_sha256"] for detail in ended}
    return changed_receipts(workspace, written)


def read_day(text: str | None) -> datetime | None:
    """Raises ConfigError for what is no day."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ConfigError(f"--since {text!r} is no day", "heedful audit --since 2026-11-20") from None


def read_head(text: str) -> Anchor:
    """Raises ConfigError for what is no head."""
    event, _, digest = text.partition(":")
    if not event.isascii() or not event.isdigit() or len(digest) != 64:
        raise ConfigError(f"--head {text!r} is not EVENT:HASH", "heedful audit verify prints the head")
    return Anchor("--head", Head(int(event), digest))


def as_dict(event: AuditEvent) -> dict[str, Any]:
    return {column.key: getattr(event, column.key) for column in AuditEvent.__table__.columns}


def in_words(detail: dict[str, Any]) -> str:
    """What fits into a cell; --json has all of it. A reason and what it stood against are shown whole."""
    shown = (key for key, value in detail.items() if key in WHOLE or (not isinstance(value, dict | list) and len(str(value)) <= 24))
    return ", ".join(f"{key} {'/'.join(detail[key]) if isinstance(detail[key], list) else detail[key]}" for key in shown)
