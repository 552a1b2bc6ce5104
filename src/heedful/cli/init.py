"""`heedful init`: a directory, perhaps the name of a recipe, in; a workspace with an annotated heedful.yaml out."""

from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption
from heedful.cli.output import reporting
from heedful.config import read_secret
from heedful.errors import ConfigError
from heedful.store.cipher import new_key
from heedful.store.master_key import KEY_FILE, VARIABLE, write_key
from heedful.workspace import create_workspace

app = typer.Typer()
RECIPE_HELP = "Begin with the configuration of a use case, such as calma-llama."
RECIPES = Path(__file__).resolve().parents[1] / "assets" / "recipes"

CONFIG_TEXT = """\
# Configuration of this workspace. Every key may be left out; `heedful doctor --config` lists all of them with their defaults.
# HEEDFUL_* variables beat this file (HEEDFUL_TRAINING__EPOCHS=3), flags beat both. An unknown key is refused.

# tiny (bundled, works offline), a local directory, or a hub id such as Qwen/Qwen2.5-0.5B-Instruct
base: tiny

# The system prompt, a file with a version, used in training and in service alike; your own lie in prompts/, as NAME@VERSION.md.
# `heedful prompts list` shows what there is.
prompt:
  name: support@1
"""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The directory to make; it may exist.")] = HERE,
    recipe: Annotated[str | None, typer.Option("--recipe", help=RECIPE_HELP, show_default="the bundled base")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace.

    Example: heedful init my-companion --recipe calma-llama
    """
    with reporting(as_json) as output:
        workspace = create_workspace(folder, CONFIG_TEXT if recipe is None else recipe_text(recipe))
        if read_secret(VARIABLE) is None and not (workspace.root / KEY_FILE).exists():
            write_key(workspace.root / KEY_FILE, new_key())
        output.say(f"made {workspace.root}")
        output.say(f"next: cd {folder} && heedful run FILE")
        output.result({"workspace": str(workspace.root)})


def recipe_names() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def recipe_text(name: str) -> str:
    """Raises ConfigError for an unknown name."""
    return recipe_path(name).read_text(encoding="utf-8")


def recipe_path(name: str) -> Path:
    """Raises ConfigError for an unknown name, naming the known ones."""
    if name not in recipe_names():
        raise ConfigError(
            f"there is no recipe {name!r}; there is: {', '.join(recipe_names())}", f"heedful init --recipe {recipe_names()[0]}"
        )
    return RECIPES / f"{name}.yaml"
