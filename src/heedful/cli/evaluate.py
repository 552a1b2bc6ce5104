"""`heedful evaluate`: a version in; its report, the table of checks and the verdict out."""

from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import Output, progress_bar, reporting
from heedful.evaluation.checks import CheckResult, quantity
from heedful.evaluation.policy import pack_names, read_pack
from heedful.evaluation.prompts import HELD_OUT
from heedful.evaluation.report import Report
from heedful.evaluation.suites import load_suite, suite_names
from heedful.lifecycle.companions import newest_or_named
from heedful.lifecycle.evaluation import Evaluated, evaluate_version, gate_rows
from heedful.lifecycle.pipeline import nll_of

app = typer.Typer()
HELD_OUT_WORDS = "held-out prompts"


@app.command()
def evaluate(
    model: Annotated[str | None, typer.Argument(help="Id or alias.", show_default="the newest version")] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="The team's yes/no labels as JSON lines; a judge that agrees may block.")
    ] = None,
    suites: Annotated[bool, typer.Option("--suites", help="List the written suites and the packs, and evaluate nothing.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Prove a model on held-out and written prompts, beside its base, and write report.json and report.html.

    Example: heedful evaluate champion
    """
    if suites:
        with reporting(as_json) as output:
            show_suites(output)
        return
    with reporting(as_json) as output, open_desk(workspace) as desk:
        name = newest_or_named(desk.store, model)
        with progress_bar(output, "evaluate") as observe:
            evaluated = evaluate_version(
                desk.workspace, desk.store, desk.settings, name, lambda done, total: observe(done, total, ""), labels
            )
        show_evaluated(output, evaluated)
        report = evaluated.report
        output.result(
            {
                "model": report.model,
                "passed": report.verdict == "passed",
                "verdict": report.verdict,
                "failed": report.failed,
                "inconclusive": report.inconclusive,
                "excluded": report.prompts.excluded,
                "gate": gate_rows(report),
                "nll": nll_of(report),
                "report": str(evaluated.folder / "report.html"),
            }
        )


def show_suites(output: Output) -> None:
    """What can be asked, and which pack asks it."""
    known = [load_suite(name) for name in suite_names()]
    packs = {name: read_pack(name) for name in pack_names()}
    rows = [(s.name, len(s.prompts), ", ".join(p for p in packs if s.name in packs[p].suites), s.title) for s in known]
    output.table("suites", ("suite", "prompts", "packs", "what it asks"), rows)
    output.table("packs", ("pack", "suites", "for a"), [(name, len(pack.suites), pack.about) for name, pack in packs.items()])
    output.say("set gate.pack, or gate.suites for a choice of your own, in heedful.yaml; docs/evaluation.md tells of each")
    output.result(
        {
            "suites": [{"name": s.name, "title": s.title, "prompts": len(s.prompts), "kinds": dict(s.kinds)} for s in known],
            "packs": {name: {"about": pack.about, "suites": list(pack.suites)} for name, pack in packs.items()},
        }
    )


def show_evaluated(output: Output, evaluated: Evaluated) -> None:
    report: Report = evaluated.report
    rows = [
        (
            check.title,
            quantity(check.value, check.unit),
            quantity(check.base_value, check.unit),
            check.threshold_text,
            check.n,
            in_words(check),
        )
        for check in report.checks
    ]
    output.table(f"evaluation of {report.model}", ("check", "tuned", "base", "allowed", "n", "verdict"), rows)
    if report.gap is not None:
        output.say(f"gap beyond the base's: {report.gap.beyond:+.2f} nats a token, {report.gap.verdict}. {report.gap.advice}")
    for check in report.checks:
        if check.check in report.inconclusive:
            output.say(f"inconclusive: {check.title}; {check.why}")
    asked = ", ".join(f"{HELD_OUT_WORDS if name == HELD_OUT else name} {n}" for name, n in report.prompts.suites.items())
    output.say(f"asked of both: {asked}; {len(report.checks)} checks")
    if report.prompts.excluded:
        output.say(f"left out, for training has shown them: {len(report.prompts.excluded)} prompts; report.json names them")
    refusing = ", ".join((*report.failed, *report.inconclusive))
    output.say(f"gate: {report.verdict}{': ' + refusing if refusing else ''}; report: {evaluated.folder / 'report.html'}")


def in_words(check: CheckResult) -> str:
    if check.outcome == "inconclusive":
        return "INCONCLUSIVE" if check.blocking else "cannot tell"
    if check.blocking:
        return "passed" if check.passed else "FAILED"
    return "fine" if check.passed else "to note"
