"""`heedful consent grant|withdraw|show|list`: what persons decided, in; what follows from it, out."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from heedful.cli.options import HERE, PURPOSES, JsonOption, PurposeOption, WorkspaceOption, open_desk, read_purposes
from heedful.cli.output import Output, reporting
from heedful.errors import StoreError
from heedful.lifecycle.holdings import Holdings, Reached, holdings_of, list_persons, person_named
from heedful.store.consent import Statement, decide
from heedful.store.database import Store
from heedful.store.schema import Decision, Person, Purpose

app = typer.Typer(
    no_args_is_help=True,
    help="Record what persons allow, and show what is held of them.\n\nExample: heedful consent withdraw p-17 --purpose training",
)
PersonArgument = Annotated[str, typer.Argument(help="What the source calls the person.", show_default=False)]
FormOption = Annotated[str, typer.Option("--form", help="Which wording was agreed to, such as 2026-05.", show_default="none")]


@app.command()
def grant(
    person: PersonArgument,
    purpose: PurposeOption = None,
    form: FormOption = "",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Record that a person allows a purpose. It counts from the next dataset on, also for what was imported before.

    Example: heedful consent grant p-17 --purpose training --form 2026-05
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        enter(desk.store, person, read_purposes(purpose), "granted", desk.actor, form)
        show(output, holdings_of(desk.store, person))


@app.command()
def withdraw(
    person: PersonArgument,
    purpose: PurposeOption = None,
    form: FormOption = "",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Record that a person no longer allows a purpose. It counts from the next dataset on and beats every basis of an import.

    Models that learned from the person stay as they are; a worker trains the champion anew without them (worker.retrain), and
    `heedful erase PERSON` takes them out of service at once.

    Example: heedful consent withdraw p-17 --purpose training
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        enter(desk.store, person, read_purposes(purpose), "withdrawn", desk.actor, form)
        held = holdings_of(desk.store, person)
        show(output, held)
        reached = [model.model for model in held.models if not model.quarantined]
        if reached:
            output.say(f"learned from {person} before: {', '.join(reached)}; to take them out of service: heedful erase {person}")


@app.command("show")
def show_(person: PersonArgument, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """What is held of a person, what they decided, and every model that learned from them, also through an ancestor.

    Example: heedful consent show p-17
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        show(output, holdings_of(desk.store, person))


@app.command("list")
def list_(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Every person, with the newest decision on each purpose.

    Example: heedful consent list --json
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        listed = list_persons(desk.store)
        rows = [(one.person, one.conversations, *(one.decisions.get(purpose, "–") for purpose in PURPOSES)) for one in listed]
        output.table("persons", ("person", "conversations", *PURPOSES), rows)
        output.result({"persons": [asdict(one) for one in listed]})


def enter(store: Store, name: str, purposes: Sequence[Purpose], decision: Decision, actor: str, form: str) -> None:
    """Raises StoreError for an unknown or erased person."""
    with store.session() as session:
        person = session.get_one(Person, person_named(session, name))
        if person.erased_at is not None:
            raise StoreError(f"{name!r} was erased on {person.erased_at:%Y-%m-%d}; nothing is held", f"heedful consent show {name}")
        for purpose in purposes:
            decide(session, person.id, Statement(purpose, decision, actor, form))


def show(output: Output, held: Holdings) -> None:
    erased = "" if held.erased_at is None else f", erased on {held.erased_at:%Y-%m-%d}"
    basis = ", ".join(f"{basis} {count}" for basis, count in held.basis.items()) or "none"
    output.say(f"{held.person}{erased}: {held.conversations} conversations, {held.messages} messages; by basis: {basis}")
    output.say("said beside them: " + ", ".join(f"{kind} {count}" for kind, count in held.statements.items()))
    if held.decisions:
        rows = [(d.purpose, d.version, d.decision, d.rests_on or "–", d.actor, f"{d.at:%Y-%m-%d %H:%M}") for d in held.decisions]
        output.table("decisions", ("purpose", "version", "decision", "rests on", "entered by", "at"), rows)
    for lines in held.datasets:
        output.say(f"dataset {lines.dataset}: " + ", ".join(f"{split} {count}" for split, count in lines.lines.items()))
    for model in held.models:
        output.say(in_words(model))
    if not held.models:
        output.say("no model learned from them")
    output.result(asdict(held))


def in_words(model: Reached) -> str:
    through = "" if model.via == model.model else f" through its ancestor {model.via}"
    aliases = f" ({', '.join(model.aliases)})" if model.aliases else ""
    return f"model {model.model}{aliases}: {', '.join(model.roles)}{through}{'; quarantined' if model.quarantined else ''}"
