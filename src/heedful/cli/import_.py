"""`heedful import`: files in, conversations in the store and a table of what was taken and left out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import (
    HERE,
    AnswerOption,
    BasisOption,
    JsonOption,
    QuestionOption,
    SkipBadOption,
    WorkspaceOption,
    open_desk,
    read_basis,
)
from heedful.cli.output import Output, progress_bar, reporting
from heedful.lifecycle.ingest import ImportReport, import_file
from heedful.sources import Columns

app = typer.Typer()


@app.command("import")
def import_(
    sources: Annotated[list[Path], typer.Argument(help="Files of conversations.", show_default=False)],
    question_column: QuestionOption = None,
    answer_column: AnswerOption = None,
    skip_bad: SkipBadOption = False,
    basis: BasisOption = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Read files of conversations into the store. The content decides the format, not the name of the file:

    intents JSON {"intents": [{"tag", "patterns", "responses"}]}; chat JSON Lines {"messages": [{"role", "content"}]};
    CSV or JSON Lines with a question and an answer column. Importing a file twice adds nothing.

    A person's later decision (heedful consent) always beats the basis; rows without a basis are kept but train nothing.

    Example: heedful import Dataset.json answers.csv --skip-bad --basis public
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        columns = Columns(question_column, answer_column)
        stated = read_basis(basis)
        reports = []
        for source in sources:
            with progress_bar(output, f"import {source.name}") as observe:
                reports.append(import_file(desk.store, source, desk.actor, columns, skip_bad, observe, stated))
            show_import(output, reports[-1])
        output.result({"imports": [asdict(report) for report in reports]})


def show_import(output: Output, report: ImportReport) -> None:
    output.say(
        f"{report.source}: {report.format}, {report.conversations} conversations; {report.added} new, {report.known} known"
        + (f", {report.skipped} bad rows left out" if report.skipped else "")
        + (f", {report.repaired} texts repaired" if report.repaired else "")
    )
    output.say(f"  {basis_in_words(report)}")
    if report.erased:
        output.say(f"  left out: {report.erased} rows of persons who are erased; an import cannot bring them back")
    for reason, count in report.passed_over.items():
        output.say(f"  passed over: {count} ({reason})")
    for bad in report.bad_rows:
        output.say(f"  {bad}")


def basis_in_words(report: ImportReport) -> str:
    """Why the records may be trained on, or what is missing."""
    named = f"{report.persons} persons" if report.persons != 1 else "1 person"
    if report.basis == "none":
        return (
            f"basis: none. The rows name {named} and no basis was stated, so they are kept but train nothing; if they agreed: "
            "heedful import FILE --basis consent"
        )
    if report.basis == "consent":
        return f"basis: consent. {named}, {report.consents} of them newly recorded as agreeing to training"
    return f"basis: {report.basis}" + (f"; {named} can withdraw: heedful consent withdraw PERSON" if report.persons else "")
