"""`heedful import`: conversations from anywhere in, rows of the store and a table of what was taken and left out, out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from heedful.cli.options import (
    HERE,
    BasisOption,
    JsonOption,
    PurposeOption,
    SkipBadOption,
    WorkspaceOption,
    open_desk,
    read_basis,
    read_purposes,
)
from heedful.cli.output import FAILED, Output, progress_bar, reporting
from heedful.cli.reading import ColumnOption, FormatOption, PersonOption, SeparatorOption, SpeakerOption, read_hints
from heedful.lifecycle.ingest import ImportReport, Reading, import_file
from heedful.lifecycle.preview import Preview, preview
from heedful.sources import Hints, Location, Query, locate, name_of_location

app = typer.Typer()
SHOWN_CHARACTERS = 200  # of a message in a preview


@app.command("import")
def import_(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Files, folders or archives; hf:owner/name for a hub data set.", show_default=False)
    ] = None,
    form: FormatOption = None,
    columns: ColumnOption = None,
    speakers: SpeakerOption = None,
    separator: SeparatorOption = None,
    person: PersonOption = None,
    sql: Annotated[str | None, typer.Option("--sql", help="A query whose rows are the records; with --url.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="SQLAlchemy URL of its database; a password is never stored.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how it would be read and the first ones; write nothing.")
    ] = False,
    skip_bad: SkipBadOption = False,
    basis: BasisOption = None,
    purpose: PurposeOption = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Read conversations into the store. The content decides the format, not the name of a file:

    intents, chats (messages, ShareGPT, prompt and completion), question and answer columns (Alpaca and the like), one turn a row,
    and plain transcripts; as JSON, JSON Lines, CSV, Parquet or text, in folders, in zip and tar archives, compressed, from a
    database or a hub. docs/formats.md shows each. Importing a file twice adds nothing.

    With --basis consent, --purpose says what the persons agreed to: training unless it is given, or review and chat as well.
    A person's later decision (heedful consent) always beats the basis; rows without a basis are kept but train nothing.

    Example: heedful import answers.csv chats.zip --basis public
    """
    with reporting(as_json) as output:
        stated, purposes, hints = read_basis(basis), read_purposes(purpose), read_hints(form, columns, speakers, separator, person)
        locations = read_locations(sources, sql, url)
        if dry_run:
            show_previews(output, locations, hints, skip_bad)
            return
        with open_desk(workspace) as desk:
            reports = []
            for location in locations:
                with progress_bar(output, f"import {name_of_location(location)}") as observe:
                    reports.append(import_file(desk.store, location, desk.actor, hints, skip_bad, observe, stated, purposes))
                show_import(output, reports[-1])
            output.result({"imports": [asdict(report) for report in reports]})


def read_locations(sources: Sequence[str] | None, sql: str | None, url: str | None) -> list[Location]:
    """Raises BadParameter (exit 2) unless there is something to read, and a query has its database."""
    if (sql is None) != (url is None):
        raise typer.BadParameter("a query needs both --sql and --url")
    named = [locate(source) for source in sources or ()]
    if sql is not None and url is not None:
        named.append(Query(sql, url))
    if not named:
        raise typer.BadParameter("name a file, a folder, an archive, hf:owner/name, or a query with --sql and --url")
    return named


def show_previews(output: Output, locations: Sequence[Location], hints: Hints, skip_bad: bool) -> None:
    """Exit 1 when an import would be refused for a bad row."""
    previews = []
    for location in locations:
        with progress_bar(output, f"read {name_of_location(location)}") as observe:
            previews.append(preview(location, hints, observe))
        show_preview(output, previews[-1])
    bad = sum(shown.bad for shown in previews)
    refused = bad > 0 and not skip_bad
    output.say("nothing was written" + (f"; an import would be refused for {bad} bad rows, unless --skip-bad" if refused else ""))
    output.result({"dry_run": [asdict(shown) for shown in previews], "refused": refused})
    if refused:
        raise typer.Exit(FAILED)


def show_preview(output: Output, shown: Preview) -> None:
    output.say(
        f"{shown.source}: {shown.conversations} conversations"
        + (f" of {shown.persons} persons" if shown.persons else "")
        + (f" in {shown.files} files" if shown.files != 1 else "")
        + (f", {shown.bad} bad rows" if shown.bad else "")
        + (f", {shown.repaired} texts repaired" if shown.repaired else "")
    )
    show_readings(output, shown.readings)
    show_counts(output, shown.passed_over, shown.noted, shown.bad_rows, shown.passed_files)
    for row in shown.first:
        output.say(f"  row {row.number}" + (f", person {row.person}" if row.person is not None else ""))
        for message in row.conversation.messages:
            text = " ".join(message.content.split())
            more = "…" if len(text) > SHOWN_CHARACTERS else ""
            output.say(f"    {message.role}: {text[:SHOWN_CHARACTERS]}{more}")


def show_import(output: Output, report: ImportReport) -> None:
    output.say(
        f"{report.source}: {report.format}, {report.conversations} conversations; {report.added} new, {report.known} known"
        + (f", in {report.files} files" if report.files != 1 else "")
        + (f", {report.skipped} bad rows left out" if report.skipped else "")
        + (f", {report.repaired} texts repaired" if report.repaired else "")
    )
    output.say(f"  {basis_in_words(report)}")
    if report.erased:
        output.say(f"  left out: {report.erased} rows of persons who are erased; an import cannot bring them back")
    show_counts(output, report.passed_over, report.noted, report.bad_rows, report.passed_files)


def show_readings(output: Output, readings: Sequence[Reading]) -> None:
    for reading in readings:
        places = ", ".join(f"{side} = {name}" for side, name in reading.mapping.items())
        output.say(f"  read as {reading.format} from {reading.container}: {places}")


def show_counts(
    output: Output, passed_over: Mapping[str, int], noted: Mapping[str, int], bad_rows: Sequence[str], passed_files: Sequence[str]
) -> None:
    for reason, count in passed_over.items():
        output.say(f"  passed over: {count} ({reason})")
    for name in passed_files:
        output.say(f"    {name}")
    for kind, count in noted.items():
        output.say(f"  noted: {count} ({kind})")
    for bad in bad_rows:
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
        return f"basis: consent. {named}, {report.consents} of them newly recorded as agreeing"
    return f"basis: {report.basis}" + (f"; {named} can withdraw: heedful consent withdraw PERSON" if report.persons else "")
