"""Entry point. Verbs are a table; the module of a verb is imported only when it is called, so `heedful --help` is quick."""

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

VERBS = {
    "demo": "The whole loop on the bundled samples: import, train, prove, serve, ask.",
    "init": "Make a workspace.",
    "doctor": "Check this machine and the workspace; name the fix of what is missing.",
    "import": "Read files of conversations into the store.",
    "dataset": "Build, list and show dataset versions.",
    "review": "Accept, edit or reject what a rule kept out of the dataset.",
    "plan": "Show the training plan: every value with its reason.",
    "train": "Train an adapter on the newest dataset.",
    "evaluate": "Prove a model on held-out prompts and write a report.",
    "models": "List model versions and aliases.",
    "promote": "Make a proven model the champion.",
    "rollback": "Serve the former champion again.",
    "consent": "Record what persons allow; show what is held of them and what learned from them.",
    "erase": "Remove a person: words, key, quotes, and models that learned from them from service.",
    "vault": "Show or change the master key of the texts.",
    "backup": "Write the workspace into one sealed file.",
    "restore": "Make a workspace of a backup; nobody who was erased comes back.",
    "audit": "List who did what; check that the trail is whole.",
    "experiment": "Try a version on a part of the persons: is it better for them? Stops itself for harm.",
    "handover": "List people in danger who wait for somebody of the team, and take one on.",
    "knowledge": "Add, list, search, update and remove documents that replies may cite.",
    "export": "Write a model for other software: PEFT, transformers, llama.cpp, Ollama or vLLM.",
    "chat": "Talk with a model in the terminal.",
    "serve": "Serve the champion to every OpenAI client.",
    "worker": "Train in the background: by schedule, when new conversations are there, or when asked.",
    "prompts": "List, show and compare system prompts.",
    "mode": "Show or switch where replies are computed: hosted, hybrid or local; who served how many.",
    "keys": "Make, list and revoke keys of the server.",
    "run": "Import, build, train, evaluate and promote in one go.",
}
MODULES = {"import": "import_", "dataset": "dataset"}  # a keyword cannot name a module


class LazyVerbs(TyperGroup):
    """Lists verbs from the table; loads a verb's module only to run it or to show its own help."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return TyperCommand(cmd_name, help=VERBS[cmd_name]) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name in VERBS:
            module = importlib.import_module(f"heedful.cli.{MODULES.get(name, name)}")
            command = get_command(module.app)
            command.name = name
        return name, command, rest


app = typer.Typer(cls=LazyVerbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Heedful: fine-tune without a GPU, prove before you promote, forget when asked."""


def run() -> None:
    """Console script. Ctrl-C ends quietly with 130; a closed pipe ends quietly too."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":  # how one verb starts another in a process of its own
    run()
