"""`heedful run`: files in; the whole loop; a champion, or a refusal that names the check, out."""

import sys
from typing import Annotated

import typer

from heedful.cli.evaluate import show_evaluated
from heedful.cli.options import (
    HERE,
    BaseOption,
    BasisOption,
    EpochsOption,
    JsonOption,
    ParentOption,
    PresetOption,
    RankOption,
    SamplesOption,
    SkipBadOption,
    StrategyOption,
    WorkspaceOption,
    YesOption,
    open_desk,
    read_basis,
)
from heedful.cli.output import FAILED, Output, reporting
from heedful.cli.reading import ColumnOption, FormatOption, SeparatorOption, SpeakerOption, read_hints
from heedful.cli.watching import TerminalWatcher
from heedful.lifecycle.pipeline import Request, RunOutcome, run_pipeline
from heedful.sources import locate

app = typer.Typer()


@app.command()
def run(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders or archives of conversations; hf:owner/name.", show_default=False)
    ],
    base: BaseOption = None,
    epochs: EpochsOption = None,
    rank: RankOption = None,
    preset: PresetOption = None,
    strategy: StrategyOption = None,
    parent: ParentOption = None,
    max_samples: SamplesOption = None,
    form: FormatOption = None,
    columns: ColumnOption = None,
    speakers: SpeakerOption = None,
    separator: SeparatorOption = None,
    skip_bad: SkipBadOption = False,
    basis: BasisOption = None,
    yes: YesOption = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Import, build, train, evaluate and promote in one go; the gate decides.

    Exit code 0: there is a new champion. 1: refused or failed, with the reason.

    Example: heedful run answers.csv --max-samples 300 --epochs 1 --yes
    """
    training = {"epochs": epochs, "rank": rank, "preset": preset, "strategy": strategy, "parent": parent}
    flags = {"base": base, "training": training, "dataset": {"max_samples": max_samples}}
    with reporting(as_json) as output, open_desk(workspace, flags) as desk:
        hints = read_hints(form, columns, speakers, separator)
        request = Request([locate(source) for source in sources], desk.actor, hints, skip_bad, read_basis(basis))
        with TerminalWatcher(output, ask=not yes and sys.stdin.isatty()) as watcher:
            outcome = run_pipeline(desk.workspace, desk.store, desk.settings, request, watcher)
        if outcome is None:
            output.say("nothing was trained; change values with flags, see: heedful plan --help")
            raise typer.Exit(FAILED)
        show_outcome(output, outcome)
        output.result(outcome.as_dict())
        if not outcome.promoted:
            raise typer.Exit(FAILED)


def show_outcome(output: Output, outcome: RunOutcome) -> None:
    show_evaluated(output, outcome.evaluated)
    if outcome.promoted:
        output.say(f"champion: {outcome.version.model}, after {outcome.seconds:.0f} s")
        output.say("next: heedful chat, or heedful serve; undo with: heedful rollback")
    else:
        output.say(f"not promoted: {outcome.refusal}")
        output.say(f"next: read {outcome.evaluated.folder / 'report.html'}, then add data or train longer: heedful plan")
