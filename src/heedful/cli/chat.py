"""`heedful chat`: a conversation in the terminal with a model of the registry. The same turn as the server's."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from heedful.cli.options import HERE, Desk, WorkspaceOption, open_desk
from heedful.cli.output import Output, reporting
from heedful.companion.retrieving import Source
from heedful.companion.routing import Routing
from heedful.companion.turn import Companion, Reply, stream_reply
from heedful.conversation import Message
from heedful.knowledge.citing import place_of
from heedful.lifecycle.companions import BASE, find_target, load_companion, load_engine, prompt_difference
from heedful.lifecycle.modes import hybrid_of
from heedful.lifecycle.recording import recording
from heedful.registry.aliases import CHAMPION, current_aliases, fell_to_base
from heedful.registry.versions import quarantine_refusal, quarantined_models
from heedful.store.database import Store

app = typer.Typer()
LEAVE, AFRESH = ("/quit", "/exit"), "/new"


@app.command()
def chat(
    model: Annotated[str | None, typer.Option("--model", "-m", help="Id, alias or base.", show_default="champion")] = None,
    person: Annotated[
        str, typer.Option("--person", help="Whose chat it is: a mode other than local needs their consent.", show_default="nobody")
    ] = "",
    workspace: WorkspaceOption = HERE,
) -> None:
    """Talk with a model in the terminal. It is not a therapist; in an emergency call your local emergency services.

    Example: heedful chat --model champion
    """
    with reporting() as output, open_desk(workspace) as desk, recording(desk.store) as record:
        name = model or champion_or_base(desk.store, output)
        target = find_target(desk.workspace, desk.store, desk.settings, name)
        companion = joined(load_companion(desk.workspace, target, desk.settings, desk.store, record), desk, name)
        difference = prompt_difference(desk.workspace, target, desk.settings)
        if difference:
            output.stderr.print(f"warning: {difference}", style="bold yellow")
        output.say(f"{companion.engine.model}; {AFRESH} starts afresh, {LEAVE[0]} leaves")
        with asyncio.Runner() as runner:
            try:
                converse(output, companion, runner, lambda: is_quarantined(desk.store, companion), person)
            finally:
                runner.run(close(companion))


def joined(companion: Companion, desk: Desk, name: str) -> Companion:
    """With the upstream, and for the champion the model of casual turns, as configured."""
    casual = desk.settings.routing.casual
    hybrid = hybrid_of(desk.store, desk.settings)
    if casual is None or name != CHAMPION:
        return replace(companion, hybrid=hybrid)
    other = find_target(desk.workspace, desk.store, desk.settings, casual)
    if other.name == companion.engine.model:
        return replace(companion, hybrid=hybrid)
    routing = Routing(load_engine(desk.workspace, other, desk.settings), desk.settings.routing.threshold)
    return replace(companion, hybrid=hybrid, routing=routing)


async def close(companion: Companion) -> None:
    await companion.engine.close()
    if companion.routing is not None:
        await companion.routing.casual.close()
    if companion.hybrid is not None:
        await companion.hybrid.upstream.close()


def champion_or_base(store: Store, output: Output) -> str:
    with store.snapshot() as session:
        if CHAMPION in current_aliases(session):
            return CHAMPION
        if fell_to_base(session):
            output.say("an erasure quarantined the champion and left no clean version: this is the base alone; next: heedful train")
            return CHAMPION
    output.say("there is no champion yet: this is the base alone; next: heedful run FILE")
    return BASE


def is_quarantined(store: Store, companion: Companion) -> bool:
    """The model, or the one of its casual turns."""
    engines = [companion.engine, *([] if companion.routing is None else [companion.routing.casual])]
    with store.snapshot() as session:
        return not quarantined_models(session).isdisjoint(engine.model for engine in engines)


def converse(
    output: Output, companion: Companion, runner: asyncio.Runner, quarantined: Callable[[], bool], person: str = ""
) -> None:
    """Turn by turn, until the person leaves, or an erasure takes the model out of service."""
    said: list[Message] = []
    while (line := ask()) is not None:
        if quarantined():
            raise quarantine_refusal(companion.engine.model)
        if line == AFRESH:
            said = []
        elif line:
            said.append(Message("user", line))
            said.append(Message("assistant", runner.run(answer(output, companion, said, person))))


def ask() -> str | None:
    """A line of the person, or None at the end."""
    try:
        line = input("you> ").strip()
    except EOFError:
        return None
    return None if line in LEAVE else line


async def answer(output: Output, companion: Companion, said: Sequence[Message], person: str) -> str:
    """Print the reply as it comes, and the passages that the model was shown; return it whole."""
    text = ""
    sources: tuple[Source, ...] = ()
    async for event in stream_reply(companion, said, subject=person):
        if isinstance(event, Reply):
            text, sources = event.text, event.sources
        else:
            output.stdout.out(event, end="", highlight=False)
    output.stdout.out("")
    for source in sources:
        mark = f"[{source.number}]" if source.cited else "read, not cited:"
        output.say(f"  {mark} {place_of(source.passage)} ({source.passage.document})")
    return text
