"""`heedful serve`: the registry's models behind OpenAI's API, until Ctrl-C."""

import signal
import sys
from typing import Annotated, NoReturn

import typer

from heedful.cli.options import HERE, Desk, WorkspaceOption, open_desk
from heedful.cli.output import Output, reporting
from heedful.cli.signals import handled
from heedful.errors import ServerError
from heedful.lifecycle.companions import find_target, prompt_difference
from heedful.lifecycle.loop.beside import worker_beside
from heedful.lifecycle.loopback import is_loopback
from heedful.registry.aliases import CHAMPION, current_aliases, fell_to_base
from heedful.server.access import Access, access_to
from heedful.server.allocation import keep_memory_steady
from heedful.server.assembly import assembled
from heedful.server.listening import address, bind, server_of
from heedful.server.logs import write_json_lines

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 lets the system choose.", show_default="8017")] = None,
    worker: Annotated[bool, typer.Option("--worker", help="Train beside it: heedful worker in a process of its own.")] = False,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Serve the champion to every OpenAI client.

    Models are asked for as `champion`, `previous`, `base`, or by id. Once there is a key (heedful keys create) every request needs
    one; without any, only this machine is served.

    Example: heedful serve --port 8017
    """
    keep_memory_steady()
    told = {"server": {"host": host, "port": port}}
    with handled(leave, signal.SIGTERM), reporting() as output, open_desk(workspace, told) as desk:
        where = desk.settings.server
        access = access_to(desk.store, where)
        check_open(access, where.host)
        listener = bind(where.host, where.port)
        if where.logs == "json":
            write_json_lines(sys.stderr)
        with assembled(desk.workspace, desk.store, desk.settings, access) as (application, catalog):
            warn_of_prompt(output, desk)
            announce(output, access, address(listener), [name for c in catalog.cards() for name in (*c.aliases, c.id)])
            with worker_beside(desk.workspace, worker):
                server_of(application).run(sockets=[listener])


def leave(number: int, _: object) -> NoReturn:
    """uvicorn ends its replies first, then sends itself the signal again.

    What stands behind it is then done too: turns that wait are kept, and a worker beside the server ends.
    """
    raise SystemExit(0)


def warn_of_prompt(output: Output, desk: Desk) -> None:
    """Where the champion was trained with another system prompt than is configured."""
    with desk.store.snapshot() as session:
        there = CHAMPION in current_aliases(session) and not fell_to_base(session)
    target = find_target(desk.workspace, desk.store, desk.settings, CHAMPION) if there else None
    difference = "" if target is None else prompt_difference(desk.workspace, target, desk.settings)
    if difference:
        output.stderr.print(f"warning: {difference}; next: heedful prompts list", style="bold yellow")


def check_open(access: Access, host: str) -> None:
    """Raises ServerError when a server without keys would be reached from other machines."""
    if access.find is None and not is_loopback(host):
        raise ServerError(f"{host} can be reached from other machines, and there is no key yet", "heedful keys create NAME")


def announce(output: Output, access: Access, url: str, names: list[str]) -> None:
    key = "" if access.find is None else ' -H "Authorization: Bearer $HEEDFUL_KEY"'
    output.say(f"serving {url} - models: {', '.join(names)}")
    output.say(f'try: curl {url}/chat/completions -H "Content-Type: application/json"{key} \\')
    output.say(f"""       -d '{{"model": "{names[0]}", "messages": [{{"role": "user", "content": "I cannot sleep."}}]}}'""")
    if access.find is None:
        warning = "warning: everybody on this machine may ask, for there is no key; next: heedful keys create NAME"
        output.stderr.print(warning, style="bold yellow")
