"""`heedful export`: a version in; a directory that other software runs, checked, with a model card, out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.modeling.gguf_file import GgufKind
from heedful.registry.export import ExportKind, Wanted, export_version

app = typer.Typer()


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Id or alias.", show_default=False)],
    to: Annotated[ExportKind, typer.Option("--to", help="Who is to run it.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A new directory.", show_default="MODEL-FORMAT")] = None,
    quantization: Annotated[GgufKind, typer.Option("--quantization", "-q", help="Of gguf and ollama.")] = "f16",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Write a model for other software: PEFT, transformers, llama.cpp, Ollama or vLLM.

    It is checked to say the same tokens, and comes with a model card that says how to run it. The guards do not come along.

    Example: heedful export champion --to ollama
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        target = Path(f"{model}-{to}") if out is None else out
        order = Wanted(to, target, quantization, desk.settings.generation)
        found = export_version(desk.workspace, desk.store, model, order, desk.actor)
        output.say(
            f"{found.model} as {found.kind} in {found.path} ({found.bytes / 1e6:.0f} MB): "
            f"{found.compared - found.differ} of {found.compared} greedy tokens as here"
        )
        output.say("the guards of heedful serve do not come along")
        output.say(f"next: read {found.path / 'README.md'}")
        output.result(asdict(found))
