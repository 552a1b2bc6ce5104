"""`heedful keys create|list|revoke`: who may ask the server. A secret is shown once and kept nowhere."""

from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.store.api_keys import create_key, list_keys, revoke_key

app = typer.Typer(
    no_args_is_help=True, help="Keys of the server, with roles and limits.\n\nExample: heedful keys create support-app"
)
COLUMNS = ("number", "name", "role", "a minute", "at once", "created", "state")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Your word for whoever holds it.", show_default=False)],
    role: Annotated[
        str, typer.Option(help="client talks; clinician also sees what needs a clinician; operator runs the server.")
    ] = "client",
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute.", show_default="server's")] = None,
    at_once: Annotated[int | None, typer.Option(min=1, help="Requests at the same time.", show_default="server's")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Make a key and show its secret, once.

    The first key closes the server: from its next start on every request needs one.

    Example: heedful keys create support-app --role client --per-minute 120
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.session() as session:
            made, secret = create_key(session, name, role, desk.actor, per_minute, at_once)
            number = made.id
            alone = len(list_keys(session, every=True)) == 1
        output.say(f"key {number} ({name}, {role}): {secret}")
        output.say("it is shown this once; OpenAI's clients take it as api_key")
        if alone:
            output.say("a server that runs already is open until it is started again: heedful serve")
        output.result({"key": number, "name": name, "role": role, "secret": secret})


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that were revoked.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Keys and what they may. Secrets are kept nowhere.

    Example: heedful keys list --all
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.snapshot() as session:
            found = list_keys(session, every)
        rows = [
            {
                "key": key.id,
                "name": key.name,
                "role": key.role,
                "requests_per_minute": key.requests_per_minute,
                "concurrent": key.concurrent,
                "created_at": f"{key.created_at:%Y-%m-%d %H:%M}",
                "state": "good" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d %H:%M}",
            }
            for key in found
        ]
        output.table(
            "keys", COLUMNS, [tuple("server's" if value is None else str(value) for value in row.values()) for row in rows]
        )
        output.result({"keys": rows})
        if not found:
            output.say("next: heedful keys create NAME")


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(help="Name or number, as heedful keys list shows it.", show_default=False)],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Take a key back: a running server refuses it from the next request on.

    Example: heedful keys revoke support-app
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.session() as session:
            gone = revoke_key(session, which, desk.actor)
            number, name = gone.id, gone.name
        output.say(f"key {number} ({name}) opens nothing any more")
        output.result({"key": number, "name": name})
