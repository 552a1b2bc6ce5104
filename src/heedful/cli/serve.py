"""`heedful serve`: the registry's models behind OpenAI's API, until Ctrl-C."""

from typing import Annotated

import typer

from heedful.cli.options import HERE, WorkspaceOption, open_desk
from heedful.cli.output import Output, reporting
from heedful.lifecycle.handover import timer
from heedful.lifecycle.loopback import is_loopback
from heedful.server.app import create_app
from heedful.server.listening import address, bind, server_of
from heedful.server.registry_catalog import RegistryCatalog

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 lets the system choose.", show_default="8017")] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Serve the champion to every OpenAI client.

    Models are asked for as `champion`, `previous`, `base`, or by id.

    Example: heedful serve --port 8017
    """
    with reporting() as output, open_desk(workspace, {"server": {"host": host, "port": port}}) as desk:
        where = desk.settings.server
        listener = bind(where.host, where.port)
        catalog = RegistryCatalog(desk.workspace, desk.store, desk.settings)
        announce(output, where.host, address(listener), [name for c in catalog.cards() for name in (*c.aliases, c.id)])
        with timer(desk.store, desk.settings.guards):
            server_of(create_app(catalog)).run(sockets=[listener])


def announce(output: Output, host: str, url: str, names: list[str]) -> None:
    output.say(f"serving {url} - models: {', '.join(names)}")
    output.say(f'try: curl {url}/chat/completions -H "Content-Type: application/json" \\')
    output.say(f"""       -d '{{"model": "{names[0]}", "messages": [{{"role": "user", "content": "I cannot sleep."}}]}}'""")
    if not is_loopback(host):
        output.stderr.print(f"warning: {host} can be reached from other machines and no key is asked for", style="bold yellow")
