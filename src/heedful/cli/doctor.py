"""`heedful doctor`: this machine and the workspace in, findings with their fixes out. Exit 1 when there is a problem."""

from dataclasses import asdict
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption
from heedful.cli.output import FAILED, Output, reporting
from heedful.config import SECRETS, describe_settings, load_settings, read_secret
from heedful.errors import WorkspaceError
from heedful.lifecycle.doctor import examine
from heedful.workspace import find_workspace

app = typer.Typer()
SIGNS = {"ok": "ok", "warning": "note", "problem": "PROBLEM"}


@app.command()
def doctor(
    config: Annotated[bool, typer.Option("--config", help="List every key of the configuration with its value.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Check this machine and the workspace; name the fix of what is missing.

    Example: heedful doctor
    """
    with reporting(as_json) as output:
        try:
            found = find_workspace(workspace)
        except WorkspaceError:
            found = None
        settings = load_settings(None if found is None else found.config_file)
        if config:
            show_config(output, [*describe_settings(settings), *secrets()])
            return
        findings = examine(found)
        output.table("doctor", ("check", "", "found", "fix"), [(f.check, SIGNS[f.level], f.found, f.fix) for f in findings])
        healthy = all(f.level != "problem" for f in findings)
        output.result({"healthy": healthy, "findings": [asdict(f) for f in findings]})
        if not healthy:
            raise typer.Exit(FAILED)


def secrets() -> list[tuple[str, object, str]]:
    """Whether they are set; never what they are."""
    return [(name, "not set" if read_secret(name) is None else "set", meaning) for name, meaning in SECRETS.items()]


def show_config(output: Output, described: list[tuple[str, object, str]]) -> None:
    output.table("configuration", ("key", "value", "meaning"), described)
    output.result({key: value for key, value, _ in described})
