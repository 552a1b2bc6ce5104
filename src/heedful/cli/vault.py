"""`heedful vault status|rotate|new-key`: the master key that opens everybody's texts."""

import sys
from typing import Annotated

import typer
from sqlalchemy import func, select

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.config import read_secret
from heedful.store.cipher import new_key
from heedful.store.master_key import KEY_FILE, NEXT_VARIABLE, VARIABLE, encode
from heedful.store.rotation import rotate as rotate_key
from heedful.store.schema_trust import DataKey, VaultRow
from heedful.store.vault import ONLY, keyring

app = typer.Typer(no_args_is_help=True, help="Show or change the master key of the texts.\n\nExample: heedful vault status")
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing the key.")]


@app.command()
def status(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Where the master key is, whether it fits, and what it opens.

    Example: heedful vault status
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.snapshot() as session:
            keyring(session)
            row = session.get_one(VaultRow, ONLY)
            keys = session.scalar(select(func.count()).select_from(DataKey)) or 0
        where = VARIABLE if read_secret(VARIABLE) is not None else str(desk.workspace.root / KEY_FILE)
        output.say(f"master key: {where}, fits; generation {row.generation}, since {row.rotated_at:%Y-%m-%d}; opens {keys} keys")
        output.say("keep a copy of it where no backup lies: without it nobody can read the texts or a backup")
        output.result({"where": where, "generation": row.generation, "since": row.rotated_at, "keys": keys})


@app.command()
def rotate(yes: YesOption = False, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Seal all keys by a new master key. Backups from before need the old one; where it is destroyed, nobody can read them.

    With a key in HEEDFUL_MASTER_KEY, the next one is taken from HEEDFUL_NEXT_MASTER_KEY.

    Example: heedful vault rotate
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        if not yes and sys.stdin.isatty():
            typer.confirm("change the master key? Backups from before need the old one", abort=True, err=True)
        done = rotate_key(desk.store, desk.actor)
        output.say(f"generation {done.generation}: {done.keys} keys sealed anew")
        if done.in_environment:
            output.say(f"now set {VARIABLE} to the value of {NEXT_VARIABLE}, before anything else is run")
        else:
            output.say(f"new key: {desk.workspace.root / KEY_FILE}; keep a copy elsewhere. Backups from before need the old one")
        output.result({"generation": done.generation, "keys": done.keys, "set_variable": done.in_environment})


@app.command("new-key")
def new_key_(as_json: JsonOption = False) -> None:
    """Print a new random master key, for HEEDFUL_MASTER_KEY or HEEDFUL_NEXT_MASTER_KEY.

    Example: heedful vault new-key
    """
    with reporting(as_json) as output:
        key = encode(new_key())
        if not as_json:
            output.stdout.out(key, highlight=False)
        output.result({"key": key})
