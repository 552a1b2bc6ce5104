"""`heedful experiment start|status|stop|compare|list`: a challenger against the champion among the persons who are served."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.columns import Columns
from rich.panel import Panel
from rich.text import Text

from heedful.cli.keystrokes import QUIT, read_key
from heedful.cli.options import HERE, Desk, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import Output, reporting
from heedful.config import Mode
from heedful.errors import ConfigError, ExperimentError
from heedful.lifecycle.experiments.outcomes import OUTCOMES
from heedful.lifecycle.experiments.page import to_html
from heedful.lifecycle.experiments.pairs import Blind, judge_pair, open_pair, to_judge
from heedful.lifecycle.experiments.reading import Finding, Reading, read_experiment
from heedful.lifecycle.experiments.start import Wanted
from heedful.lifecycle.experiments.start import start as start_experiment
from heedful.lifecycle.experiments.words import say, show
from heedful.lifecycle.modes import mode_now
from heedful.store.experiments import End, end_experiment, find_experiment, list_experiments, running_experiment
from heedful.store.schema_experiments import Experiment, ExperimentEnd, Preferred, Variant
from heedful.workspace import write_text

app = typer.Typer(
    no_args_is_help=True,
    help="A challenger against the champion, among the persons served.\n\nExample: heedful experiment start m-0123456789",
)
LEFT, RIGHT, TIE, SKIP = "l", "r", "t", "s"
SIDES = (LEFT, RIGHT)
KEYS = f"better is: [{LEFT}]eft  [{RIGHT}]ight  [{TIE}]ie  [{SKIP}]kip  [{QUIT}]uit"
NumberArgument = Annotated[int | None, typer.Argument(help="Number of an experiment.", show_default="the newest")]


@app.command()
def start(
    challenger: Annotated[
        str, typer.Argument(help="Id or alias of a version that the gate lets through, or: upstream.", show_default=False)
    ],
    share: Annotated[float, typer.Option(help="Share of the persons whom the challenger serves.")] = 0.5,
    outcome: Annotated[str, typer.Option(help=f"What decides: {', '.join(OUTCOMES)}.")] = "thumbs",
    instrument: Annotated[str, typer.Option(help="Questionnaire, for --outcome assessment.", show_default=False)] = "",
    hours: Annotated[float, typer.Option(help="A person's outcome is known after so long; 0: with the first value.")] = 168.0,
    margin: Annotated[float, typer.Option(help="Harm so many times as often as with the champion is not yet too much.")] = 1.0,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Serve nobody by it: it answers unseen, and clinicians compare blind.")
    ] = False,
    against: Annotated[
        bool, typer.Option("--override", help="Serve a version that the gate refuses; written down for ever.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for --override.", show_default=False)] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Serve a part of the persons by the challenger, until you stop it or it stops itself for harm.

    In it are persons whose chats may be kept (heedful consent), each for good with one variant. Look as often as you like.

    Example: heedful experiment start m-0123456789 --share 0.5 --outcome thumbs --hours 72
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        if against is (reason is None):
            raise ConfigError("--override and --reason TEXT belong together", "heedful experiment start --help")
        wanted = Wanted(challenger, share, outcome, instrument, hours, margin, shadow, reason)
        begun = start_experiment(desk.store, desk.workspace, desk.settings.gate, wanted, desk.actor, mode_of(desk))
        if begun.shadow:
            output.say(f"experiment {begun.id}: {begun.challenger} answers unseen; next: heedful experiment compare")
        else:
            served = f"{begun.challenger} serves {begun.share:.0%} of the persons, {begun.champion} the others"
            output.say(f"experiment {begun.id}: {served}")
            output.say("a running server obeys at once; next: heedful experiment status")
        output.result(as_report(begun, None))


def mode_of(desk: Desk) -> Mode | None:
    return None if desk.settings.upstream.url is None else mode_now(desk.store, desk.settings)


@app.command()
def status(
    number: NumberArgument = None,
    page: Annotated[
        Path | None, typer.Option(help="Write an HTML page with the course of the difference.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """What may be said now: persons, outcomes, difference, harm. Looking costs nothing, however often.

    Example: heedful experiment status --page experiment.html
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.snapshot() as session:
            reading = read_experiment(session, *find_experiment(session, number))
        tell(output, reading)
        if page is not None:
            write_text(page, to_html(reading))
            output.say(f"page: {page}")
        output.result(report_of(reading))


@app.command()
def stop(
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.", show_default=False)] = "",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """End the running experiment: the champion serves everybody from the next turn on.

    Example: heedful experiment stop --reason "enough was seen"
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.session() as session:
            running = running_experiment(session)
            if running is None:
                raise ConfigError("no experiment runs", "heedful experiment list")
            end = end_experiment(session, running.id, End("stopped", desk.actor, reason))
            reading = read_experiment(session, running, end)
        tell(output, reading)
        output.result(report_of(reading))


@app.command()
def compare(number: NumberArgument = None, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Compare the replies of champion and challenger, not knowing which is whose, with one key each. For shadow mode.

    Chats of persons who agreed that people of the team read them; each pair is asked once of each clinician, and counts with the
    first. With --json nothing is asked: it prints how many wait for you.

    Example: heedful experiment compare
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.snapshot() as session:
            experiment, _ = find_experiment(session, number)
            waiting = to_judge(session, experiment, desk.actor)
        if not experiment.shadow:
            raise ExperimentError(f"experiment {experiment.id} serves persons; there are no pairs", "heedful experiment status")
        judged = 0 if as_json else sit(output, desk, waiting)
        output.say(f"{judged} compared, {len(waiting) - judged} left for you; next: heedful experiment status")
        output.result({"experiment": experiment.id, "waiting": len(waiting)})


def sit(output: Output, desk: Desk, waiting: list[str]) -> int:
    """How many were judged."""
    judged = 0
    for place, pair in enumerate(waiting, start=1):
        with desk.store.snapshot() as session:
            blind = open_pair(session, pair)
        show_pair(output, blind, f"{place} of {len(waiting)}")
        key = read_key((*SIDES, TIE, SKIP, QUIT))
        if key == QUIT:
            break
        if key == SKIP:
            continue
        other: Variant = "champion" if blind.left == "challenger" else "challenger"
        preferred: Preferred = "tie" if key == TIE else blind.left if key == LEFT else other
        with desk.store.session() as session:
            judge_pair(session, blind, desk.actor, preferred)
        judged += 1
    return judged


def show_pair(output: Output, blind: Blind, title: str) -> None:
    chat = Text()
    for message in blind.messages:
        chat.append("Person\n" if message.role == "user" else "Answer\n", style="bold").append(f"{message.content}\n\n")
    output.stdout.print(Panel(chat, title=Text(title), title_align="left"), soft_wrap=False)
    sides = [Panel(Text(text), title=side) for text, side in zip(blind.replies, ("left", "right"), strict=True)]
    output.stdout.print(Columns(sides, equal=True, expand=True), soft_wrap=False)
    output.stdout.print(Text(KEYS))


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Every experiment there was, the newest first.

    Example: heedful experiment list
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with desk.store.snapshot() as session:
            found = list_experiments(session)
        columns = ("number", "champion", "challenger", "share", "decides", "began", "state")
        rows = [
            (e.id, e.champion, e.challenger, f"{e.share:.0%}", e.outcome, f"{e.created_at:%Y-%m-%d %H:%M}", state_of(end))
            for e, end in found
        ]
        output.table("experiments", columns, rows)
        output.result({"experiments": [as_report(experiment, end) for experiment, end in found]})


def state_of(end: ExperimentEnd | None) -> str:
    return (
        "running" if end is None else f"ended {end.created_at:%Y-%m-%d %H:%M}: {end.ending}{f' ({end.harm})' if end.harm else ''}"
    )


def tell(output: Output, reading: Reading) -> None:
    experiment = reading.experiment
    title = f"experiment {experiment.id}: {experiment.challenger} against {experiment.champion}, {state_of(reading.end)}"
    columns = ("outcome", "variant", "persons", "left", "with outcome", "mean", "difference", "e-value")
    rows = [row for finding in reading.findings for row in rows_of(finding)]
    if rows:
        output.table(title, columns, rows)
    else:
        output.say(title)
    for line in say(reading):
        output.say(line)


def rows_of(finding: Finding) -> list[tuple[str, ...]]:
    interval = "–" if finding.interval is None else " to ".join(show(finding, end, signed=True) for end in finding.interval)
    name = f"{finding.outcome}{' (decides)' if finding.decides else ''}"
    return [
        (
            name if arm is finding.arms[0] else "",
            arm.variant,
            str(arm.persons),
            str(arm.left),
            str(arm.with_outcome),
            "–" if arm.value is None else show(finding, arm.value),
            "" if arm is finding.arms[0] else interval,
            "" if arm is finding.arms[0] else f"{finding.e_value:.3g}",
        )
        for arm in finding.arms
    ]


def as_report(experiment: Experiment, end: ExperimentEnd | None) -> dict[str, Any]:
    return {
        "experiment": experiment.id,
        "champion": experiment.champion,
        "challenger": experiment.challenger,
        "share": experiment.share,
        "shadow": experiment.shadow,
        "outcome": experiment.outcome,
        "hours": experiment.window_hours,
        "margin": experiment.margin,
        "started_by": experiment.actor,
        "started_at": experiment.created_at,
        "state": "running" if end is None else end.ending,
        "ended_at": None if end is None else end.created_at,
        "ended_by": None if end is None else end.actor,
        "harm": None if end is None or not end.harm else end.harm,
    }


def report_of(reading: Reading) -> dict[str, Any]:
    return {
        **as_report(reading.experiment, reading.end),
        "verdict": reading.verdict,
        "words": say(reading),
        "outcomes": [asdict(finding) for finding in reading.findings],
        "harms": [asdict(harm) for harm in reading.harms],
        "preference": None if reading.preference is None else asdict(reading.preference),
    }
