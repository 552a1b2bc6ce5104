"""`heedful init`: a directory in, a workspace with an annotated heedful.yaml out."""

from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption
from heedful.cli.output import reporting
from heedful.config import Settings
from heedful.workspace import create_workspace

app = typer.Typer()

CONFIG_TEXT = """\
# Configuration of this workspace. Every key may be left out; `heedful doctor --config` lists all of them with their defaults.
# HEEDFUL_* variables beat this file (HEEDFUL_TRAINING__EPOCHS=3), flags beat both. An unknown key is refused.

# tiny (bundled, works offline), a local directory, or a hub id such as Qwen/Qwen2.5-0.5B-Instruct
base: tiny

# Used in training and in service alike.
system_prompt: >-
  {system_prompt}
"""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The directory to make; it may exist.")] = HERE, as_json: JsonOption = False
) -> None:
    """Make a workspace.

    Example: heedful init my-companion
    """
    with reporting(as_json) as output:
        default_prompt = str(Settings.model_fields["system_prompt"].default)
        workspace = create_workspace(folder, CONFIG_TEXT.format(system_prompt=default_prompt))
        output.say(f"made {workspace.root}")
        output.say(f"next: cd {folder} && heedful run FILE")
        output.result({"workspace": str(workspace.root)})
