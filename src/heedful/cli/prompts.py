"""`heedful prompts list|show|diff`: the system prompts that there are, one as the model reads it, how two of them differ."""

import difflib
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.config.prompts import find_prompt, list_prompts, render

app = typer.Typer(
    no_args_is_help=True,
    help="List, show and compare system prompts: files NAME@VERSION.md.\n\nExample: heedful prompts show support@1",
)
PromptArgument = Annotated[str, typer.Argument(help="NAME@VERSION, or NAME for the newest.", show_default=False)]


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Packaged prompts and those of the workspace's folder prompts; * is the one that is configured.

    Example: heedful prompts list --json
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        found, used = list_prompts(desk.workspace.prompts), desk.settings.prompt_name(desk.workspace.prompts)
        rows = [(one.id + ("*" if one.id == used else ""), ", ".join(one.variables), one.path) for one in found]
        output.table("prompts", ("prompt", "variables", "file"), rows)
        listed = [{"prompt": one.id, "variables": one.variables, "file": str(one.path)} for one in found]
        output.result({"configured": used, "prompts": listed})


@app.command()
def show(prompt: PromptArgument, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """A prompt with the values of `prompt.values` put in, as the model reads it.

    Example: heedful prompts show support@1
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        found = find_prompt(desk.workspace.prompts, prompt)
        values = {name: value for name, value in desk.settings.prompt.values.items() if name in found.variables}
        text = render(found, values)
        output.say(text)
        output.result({"prompt": found.id, "text": text})


@app.command()
def diff(before: PromptArgument, after: PromptArgument, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """What two versions differ in, sentence by sentence, variables still in them.

    Example: heedful prompts diff support@1 support@2
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        first, second = (find_prompt(desk.workspace.prompts, name) for name in (before, after))
        old, new = (one.text.replace(". ", ".\n").splitlines() for one in (first, second))
        lines = list(difflib.unified_diff(old, new, first.id, second.id, lineterm="", n=1))
        for line in lines:
            output.say(line)
        output.result({"before": first.id, "after": second.id, "diff": lines})
