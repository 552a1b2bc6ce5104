"""`heedful erase PERSON`: nothing of a person is left, and a receipt. `--verify` searches every byte, `--resume` goes on."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.options import HERE, Desk, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import FAILED, Output, progress_bar, reporting
from heedful.errors import ConfigError, StoreError
from heedful.lifecycle.erasure.affected import Affected, affected_by
from heedful.lifecycle.erasure.erase import Erased, erase, verify
from heedful.lifecycle.erasure.standing import find_unfinished, returned
from heedful.lifecycle.erasure.traces import Found
from heedful.lifecycle.holdings import person_named
from heedful.lifecycle.receipts import path_of
from heedful.store.ledger import read_ledger
from heedful.store.schema import Person
from heedful.store.schema_trust import Erasure, PlannedRetrain

app = typer.Typer()


@app.command("erase")
def erase_(
    person: Annotated[str | None, typer.Argument(help="What the source calls the person.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before erasing.")] = False,
    verify_only: Annotated[bool, typer.Option("--verify", help="Erase nothing; search every byte of the workspace.")] = False,
    phrase: Annotated[
        list[str] | None, typer.Option("--phrase", help="With --verify: search this too.", show_default="none")
    ] = None,
    phrases: Annotated[
        Path | None, typer.Option("--phrases", help="With --verify: a file of phrases, one a line.", show_default="none")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with erasures that were interrupted.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Remove everything of a person: rows, key, datasets, quotes in reports. It cannot be undone.

    Models that learned from the person are quarantined, and the newest clean one serves from the next turn on. Builds and
    evaluations under way are stopped, and trainings on the person's words. Exit code 1 when something is left that Heedful cannot
    remove itself.

    Example: heedful erase p-17
    """
    with reporting(as_json) as output, open_desk(workspace, settled=False) as desk:
        if resume:
            done = [carry_out(output, desk, person_id) for person_id in waiting(desk)]
            output.say(f"{len(done)} erasures went on" if done else "there is nothing to go on with")
            end(output, done)
            return
        if person is None:
            raise ConfigError("which person?", "heedful erase PERSON, or heedful erase --resume")
        if verify_only:
            look(output, desk, person, read_phrases(phrase, phrases))
            return
        person_id = find(desk, person)
        if already_done(output, desk, person_id):
            return
        if not yes:
            confirm(desk, person, person_id)
        end(output, [carry_out(output, desk, person_id, person)])


def find(desk: Desk, person: str) -> int:
    with desk.store.snapshot() as session:
        return person_named(session, person)


def already_done(output: Output, desk: Desk, person_id: int) -> bool:
    """Say so, when the person is erased for good."""
    with desk.store.snapshot() as session:
        erased_at = session.get_one(Person, person_id).erased_at
        erasure = session.query(Erasure).filter_by(person_id=person_id).first()
        plan = None if erasure is None else session.query(PlannedRetrain).filter_by(erasure_id=erasure.id).first()
    if erased_at is None or (erasure is not None and erasure.state != "done"):
        return False
    receipt = None if erasure is None else str(path_of(desk.workspace, erasure.detail["receipt"]))
    output.say(f"erased already, on {erased_at:%Y-%m-%d %H:%M} UTC; receipt: {receipt or 'in the workspace of that time'}")
    if plan is not None:
        done = "to be done" if plan.settled_at is None else f"done by {plan.settled_by}, {plan.settled_at:%Y-%m-%d %H:%M} UTC"
        output.say(f"retrain for {plan.model_id}: {done}")
    retrain = None if plan is None else {"model": plan.model_id, "settled_by": plan.settled_by, "settled_at": plan.settled_at}
    output.result({"erased": [], "already": erased_at, "receipt": receipt, "retrain": retrain})
    return True


def confirm(desk: Desk, person: str, person_id: int) -> None:
    """Ask. Raises StoreError where nobody can answer."""
    with desk.store.snapshot() as session:
        affected = affected_by(session, desk.workspace, person_id)
    if not sys.stdin.isatty():
        raise StoreError(f"this would erase {in_words(affected)}; nobody is there to confirm it", f"heedful erase {person} --yes")
    typer.confirm(f"erase {person}: {in_words(affected)}? It cannot be undone", abort=True, err=True)


def in_words(affected: Affected) -> str:
    said = f"{affected.conversations} conversations"
    if affected.statements:
        said += f", {affected.statements} moods, scores and words of feedback"
    if affected.datasets:
        said += f", datasets {', '.join(affected.datasets)}"
    if affected.models:
        said += f"; quarantine {', '.join(affected.models)}"
    return said


def waiting(desk: Desk) -> list[int]:
    """Persons whose erasure was interrupted, and those whom an older database brought back."""
    ledger = read_ledger(desk.workspace.ledger)
    with desk.store.snapshot() as session:
        unfinished = [erasure.person_id for erasure in find_unfinished(session)]
        back = [] if ledger is None else returned(session, ledger)
    return [*unfinished, *(person for person in back if person not in unfinished)]


def carry_out(output: Output, desk: Desk, person_id: int, name: str | None = None) -> Erased:
    with progress_bar(output, "erase") as observe:
        erased = erase(
            desk.workspace, desk.store, person_id, desk.actor, lambda stage, done, all_: observe(done, all_, stage), name
        )
    show(output, erased)
    return erased


def show(output: Output, erased: Erased) -> None:
    detail = erased.detail
    counted = ", ".join(f"{detail[kind]} {kind}" for kind in ("conversations", "messages", "statements"))
    output.say(f"erased: {counted}, name and key")
    if detail["datasets"]:
        output.say(f"datasets removed: {', '.join(detail['datasets'])}")
    if detail["models"]:
        output.say(f"quarantined: {', '.join(detail['models'])}")
    for change in detail["moved"]:
        after = change["after"] or ("the base alone, for no clean version is left" if change["alias"] == "champion" else "nothing")
        output.say(f"{change['alias']}: {change['before']} -> {after}")
    output.say(searched(erased.found))
    for line in erased.remaining:
        output.say(f"to do: {line}")
    output.say(f"receipt: {erased.receipt}")


def searched(found: Found) -> str:
    where = ", ".join(hit.path for hit in found.hits)
    return f"searched {found.files} files, {found.bytes / 1e6:.1f} MB: {f'found in {where}' if where else 'nothing found'}"


def end(output: Output, done: Sequence[Erased]) -> None:
    """Exit 1 when something is left."""
    output.result({"erased": [asdict(erased) for erased in done]})
    if any(erased.found.hits or erased.found.unreadable for erased in done):
        raise typer.Exit(FAILED)


def read_phrases(given: Sequence[str] | None, file: Path | None) -> list[str]:
    """Raises ConfigError for a file that is not text."""
    listed = [] if given is None else list(given)
    if file is not None:
        try:
            listed += [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        except UnicodeDecodeError:
            raise ConfigError(f"{file} is not UTF-8 text", "save it as UTF-8, one phrase a line") from None
    return listed


def look(output: Output, desk: Desk, person: str, phrases: Sequence[str]) -> None:
    """Search, show where, exit 1 when there is something."""
    with progress_bar(output, "search") as observe:
        found, needles = verify(desk.workspace, desk.store, person, list(phrases), lambda done, total: observe(done, total, ""))
    output.say(searched(found))
    if needles.shared or needles.too_short:
        output.say(f"not searched: {needles.shared} parts that others said too, {needles.too_short} phrases that are too short")
    for hit in found.hits:
        output.say(f"{hit.path}: the name {hit.name} times, phrases {hit.words} times")
    for path in found.unreadable:
        output.say(f"{path}: cannot be read")
    output.result(
        {
            "clean": not found.hits and not found.unreadable,
            "shared": needles.shared,
            "too_short": needles.too_short,
            **asdict(found),
        }
    )
    if found.hits or found.unreadable:
        raise typer.Exit(FAILED)
