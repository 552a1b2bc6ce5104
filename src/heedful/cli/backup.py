"""`heedful backup FILE`: the workspace in; one sealed file of one moment out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import progress_bar, reporting
from heedful.lifecycle.backup import back_up

app = typer.Typer()


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Write the workspace into one file, sealed by the master key, which is not in it. Servers and trainings may go on meanwhile.

    Example: heedful backup ../heedful-2026-11-20.backup
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with progress_bar(output, "backup") as observe:
            done = back_up(desk.workspace, desk.store, file, desk.actor, lambda count, total: observe(count, total, ""))
        output.say(f"{done.path}: {done.files} files, {done.bytes / 1e6:.1f} MB, SHA-256 {done.sha256}")
        if done.left_out:
            output.say(f"left out, because they are in quarantine: {', '.join(done.left_out)}")
        output.say("it opens with today's master key only, which is not in it: keep that elsewhere; heedful vault status")
        output.result(asdict(done))
