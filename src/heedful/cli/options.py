"""Options that several verbs share: declared once, with help; and how a verb opens its workspace from them."""

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from heedful.cli.output import console
from heedful.config import Settings, load_settings
from heedful.errors import ConfigError
from heedful.lifecycle.erasure.standing import RESUME, check_ledger, find_unfinished
from heedful.modeling.bases import TINY
from heedful.store.database import Store, open_store
from heedful.store.rotation import settle
from heedful.store.schema import Basis, Purpose
from heedful.workspace import Workspace, find_workspace

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", help="A directory inside the workspace.", show_default="the current directory")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; everything else goes to stderr.")]
BaseOption = Annotated[
    str | None, typer.Option("--base", help="tiny, a local directory, or a hub id.", show_default="heedful.yaml")
]
EpochsOption = Annotated[float | None, typer.Option("--epochs", help="Passes over the data.", show_default="by the plan")]
RankOption = Annotated[int | None, typer.Option("--rank", help="LoRA rank.", show_default="by the plan")]
RateOption = Annotated[float | None, typer.Option("--learning-rate", help="Peak learning rate.", show_default="by the plan")]
BatchOption = Annotated[int | None, typer.Option("--batch-size", help="Conversations a step.", show_default="by the plan")]
PresetOption = Annotated[
    str | None, typer.Option("--preset", help="default, or careful: against learning by heart.", show_default="heedful.yaml")
]
StrategyOption = Annotated[
    str | None,
    typer.Option("--strategy", help="fresh, continue (what is new, on top of a version), or auto.", show_default="heedful.yaml"),
]
ParentOption = Annotated[str | None, typer.Option("--parent", help="Version to continue.", show_default="the champion")]
SamplesOption = Annotated[int | None, typer.Option("--max-samples", help="At most so many conversations.", show_default="all")]
SplitOption = Annotated[
    str | None,
    typer.Option("--split", help="Per cent of train, validation and test; 90/10 halves the rest.", show_default="80/10/10"),
]
CitingOption = Annotated[
    bool | None,
    typer.Option("--knowledge/--no-knowledge", help="Add examples that cite the team's documents.", show_default="heedful.yaml"),
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Decides order and initial weights.", show_default="7")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before training.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Id of a dataset.", show_default="the newest")]
SkipBadOption = Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out and count them, instead of refusing the file.")]
BasisOption = Annotated[
    str | None,
    typer.Option(
        "--basis",
        help="Why you may train on these records: consent (the persons in them agreed), owned, or public.",
        show_default="owned if no row names a person, else none",
    ),
]
PURPOSES: tuple[Purpose, ...] = ("chat", "review", "training", "upstream")
PurposeOption = Annotated[
    list[str] | None,
    typer.Option("--purpose", "-p", help="chat, review, training, upstream; may be given again.", show_default="training"),
]
STATED: tuple[Basis, ...] = ("consent", "owned", "public")
HERE = Path()


@dataclass(frozen=True, slots=True)
class Desk:
    """What a verb works at."""

    workspace: Workspace
    settings: Settings
    store: Store
    actor: str


@contextmanager
def open_desk(
    start: Path, flags: Mapping[str, Any] | None = None, settled: bool = True, config: Path | None = None
) -> Iterator[Desk]:
    """Workspace, settings with `flags` on top, and the open store. Raises the HeedfulError of what is wrong.

    `settled`: refuse a database in which erased persons came back, and tell of an erasure that was interrupted.
    `config`: a file that stands in for the workspace's own.
    """
    workspace = find_workspace(start)
    settings = with_whole_path(load_settings(workspace.config_file if config is None else config, flags), workspace)
    store = open_store(workspace.database)
    try:
        if settled:
            check_erasures(workspace, store)
        yield Desk(workspace, settings, store, current_actor())
    finally:
        store.close()


def read_purposes(words: Sequence[str] | None) -> list[Purpose]:
    """Raises ConfigError for a word that is no purpose."""
    wanted = ["training"] if not words else list(words)
    unknown = [word for word in wanted if word not in PURPOSES]
    if unknown:
        raise ConfigError(f"--purpose {unknown[0]!r} is none of {', '.join(PURPOSES)}", "heedful consent grant --help")
    return [purpose for purpose in PURPOSES if purpose in wanted]


def check_erasures(workspace: Workspace, store: Store) -> None:
    """Raises StoreError when the ledger of erasures knows better than the database."""
    settle(store)
    check_ledger(workspace, store)
    with store.snapshot() as session:
        unfinished = len(find_unfinished(session))
    if unfinished:
        console(stderr=True).print(Text(f"note: {unfinished} erasures were interrupted; next: {RESUME}"))


def with_whole_path(settings: Settings, workspace: Workspace) -> Settings:
    """A base that is a directory, seen from here or from the workspace, is kept by its whole path: it must be found again later."""
    found = [folder for folder in (Path(settings.base).expanduser(), workspace.root / settings.base) if folder.is_dir()]
    if settings.base == TINY or not found:
        return settings
    return settings.model_copy(update={"base": str(found[0].resolve())})


def read_basis(text: str | None) -> Basis:
    """Raises ConfigError for a word that is no basis."""
    if text is None:
        return "none"
    for basis in STATED:
        if text == basis:
            return basis
    raise ConfigError(f"--basis {text!r} is none of {', '.join(STATED)}", "heedful import --help explains each")


def current_actor() -> str:
    """Who stands in the audit trail: the login name, as far as the machine knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
