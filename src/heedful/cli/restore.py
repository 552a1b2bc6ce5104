"""`heedful restore FILE FOLDER`: a backup in; a workspace in which nobody came back who was erased, out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, current_actor
from heedful.cli.output import progress_bar, reporting
from heedful.lifecycle.restore import Request
from heedful.lifecycle.restore import restore as restore_backup

app = typer.Typer()


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that heedful backup wrote.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help="A new or empty directory; master.key and erasures.jsonl may lie in it.")] = HERE,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="The master key of the backup.", show_default="master.key in the folder")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="The newest erasures.jsonl.", show_default="the one in the folder")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace of a backup. Whoever was erased since is erased again, if the ledger of erasures is at hand.

    Example: heedful restore heedful-2026-11-20.backup new-folder --key-file master.key --ledger old-folder/erasures.jsonl
    """
    with reporting(as_json) as output:
        with progress_bar(output, "restore") as observe:
            request = Request(file, folder, current_actor(), key_file, ledger)
            done = restore_backup(request, lambda stage, count, total: observe(count, total, stage))
        output.say(f"{done.workspace}: {done.files} files of {done.made_at[:16].replace('T', ' ')} UTC")
        output.say(f"erased again: {done.erased_again} persons")
        if not done.ledger_known:
            output.say(
                f"no ledger of erasures was at hand. Whoever was erased after {done.made_at[:10]} is in this workspace again: "
                "compare the receipts of that time, or restore again with --ledger"
            )
        output.result(asdict(done))
