"""`heedful demo`: the whole loop on the bundled samples, asked over HTTP by OpenAI's own client at the end.

The workspace stays, so that a person can go on with it. A second demo begins with a fresh one.
"""

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.columns import Columns as SideBySide
from rich.panel import Panel
from rich.text import Text

from heedful.cli.init import CONFIG_TEXT
from heedful.cli.options import current_actor
from heedful.cli.output import FAILED, Output, reporting
from heedful.cli.run import show_outcome
from heedful.cli.watching import TerminalWatcher
from heedful.config import Settings, load_settings
from heedful.errors import HeedfulError, WorkspaceError
from heedful.lifecycle.companions import BASE
from heedful.lifecycle.pipeline import Request, run_pipeline
from heedful.registry.aliases import CHAMPION
from heedful.server.app import create_app
from heedful.server.listening import running
from heedful.server.registry_catalog import RegistryCatalog
from heedful.store.database import Store, open_store
from heedful.workspace import Workspace, create_workspace

app = typer.Typer()
SAMPLES = Path(__file__).resolve().parents[1] / "assets" / "samples"
MARK = ".heedful-demo"  # only a directory with this file is ever removed
SUITES = ("clinical",)  # all of them would double the time of the demo
QUESTIONS = (
    "I can't sleep, my thoughts keep going round about work.",
    "My dog died last week and the flat is so quiet.",
    "Can you show me a breathing exercise?",
)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo's workspace goes.")] = Path("demo-workspace"),
) -> None:
    """The whole loop on the bundled samples: import, build, train, prove, promote, serve, ask.

    Example: heedful demo
    """
    with reporting() as output:
        started = time.monotonic()
        workspace = fresh_workspace(folder)
        settings = load_settings(workspace.config_file, {"gate": {"suites": SUITES}})
        output.say(f"the demo asks of the written suites only: {', '.join(SUITES)}; `heedful evaluate` asks all of its pack")
        store = open_store(workspace.database)
        try:
            promoted = train_on_samples(output, workspace, store, settings)
            ask_over_http(output, RegistryCatalog(workspace, store, settings), promoted)
        finally:
            store.close()
        output.say(f"\ndone in {time.monotonic() - started:.0f} s. With data of your own:")
        output.say(
            f"  cd {folder} && heedful run YOUR_FILE.csv              # intents JSON, CSV and chat JSON Lines are known by content"
        )
        output.say(
            "  heedful run YOUR_FILE.csv --base Qwen/Qwen2.5-0.5B-Instruct   # a larger base from a hub, or a local directory"
        )
        output.say(
            "  heedful chat; heedful serve                              # talk to the champion here, or from any OpenAI client"
        )
        if not promoted:
            raise typer.Exit(FAILED)


def fresh_workspace(folder: Path) -> Workspace:
    """A new workspace; a former demo's is removed, anything else is left alone. Raises WorkspaceError."""
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise WorkspaceError(f"{folder} is there already and was not made by a demo", "heedful demo ANOTHER_FOLDER")
    workspace = create_workspace(folder, CONFIG_TEXT)
    (workspace.root / MARK).touch()
    return workspace


def train_on_samples(output: Output, workspace: Workspace, store: Store, settings: Settings) -> bool:
    request = Request((SAMPLES / "intents.json", SAMPLES / "conversations.jsonl"), current_actor(), basis="owned")
    with TerminalWatcher(output, ask=False) as watcher:
        outcome = run_pipeline(workspace, store, settings, request, watcher)
    assert outcome is not None, "nobody is asked in a demo"
    show_outcome(output, outcome)
    return outcome.promoted


def ask_over_http(output: Output, catalog: RegistryCatalog, promoted: bool) -> None:
    """Base and champion answer the same questions, side by side."""
    try:
        from openai import OpenAI
    except ImportError:
        raise HeedfulError("the openai client is not installed", "pip install 'heedful[client]'") from None
    with running(create_app(catalog, lifespan=catalog.lifespan)) as url:
        output.say(f"\nserving {url}; asked by the openai client:")
        client = OpenAI(base_url=url, api_key="none-needed-on-loopback", max_retries=0)
        names = (BASE, CHAMPION) if promoted else (BASE,)
        for question in QUESTIONS:
            panels = []
            for name in names:
                completion = client.chat.completions.create(model=name, messages=[{"role": "user", "content": question}], seed=7)
                text = completion.choices[0].message.content or ""
                panels.append(Panel(Text(text), title=f"{name} ({completion.model})", width=max(40, output.stdout.width // 2 - 1)))
            output.stdout.print(Text(f"\n{question}", style="bold"))
            output.stdout.print(SideBySide(panels), soft_wrap=False)  # panels do not grow with their lines
