"""`heedful mode`: where replies are computed, and who served how many, how fast and at what cost."""

from collections.abc import Sequence
from typing import Annotated

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import reporting
from heedful.errors import ConfigError
from heedful.lifecycle.modes import switch, usage
from heedful.store.modes import MODES
from heedful.store.traces import Share

app = typer.Typer()
COLUMNS = ("served by", "turns", "share", "failed", "tokens read", "written", "cost", "p50", "p95", "first text p50")


@app.command()
def mode(
    to: Annotated[str | None, typer.Argument(help="hosted, hybrid or local.", show_default="only show")] = None,
    days: Annotated[float, typer.Option("--days", help="Count the turns of so many days.")] = 7.0,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Switch where replies are computed, and show who served the turns of the last days. A running server follows at its next turn.

    local: no network at all. hosted: the upstream answers those who allowed it. hybrid: it answers what is complex, or what the
    local model got wrong. A crisis never leaves the machine.

    Example: heedful mode local
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        if to is not None:
            wanted = next((known for known in MODES if known == to), None)
            if wanted is None:
                raise ConfigError(f"mode {to!r} is none of {', '.join(MODES)}", "heedful mode --help")
            switch(desk.store, desk.settings, wanted, desk.actor)
        found = usage(desk.store, desk.settings, days)
        output.say(f"mode: {found.mode}")
        if found.shares:
            output.table(f"turns of the last {days:g} days", COLUMNS, rows_of(found.shares))
        else:
            output.say(f"no turn in the last {days:g} days; next: heedful chat")
        output.result(found.as_result())


def rows_of(shares: Sequence[Share]) -> list[tuple[object, ...]]:
    return [
        (
            *(one.served, one.turns, f"{one.share:.0%}", one.failed, one.prompt_tokens, one.completion_tokens, f"{one.cost:.4f}"),
            *(f"{one.p50_s:.2f} s", f"{one.p95_s:.2f} s", f"{one.first_p50_s:.2f} s"),
        )
        for one in shares
    ]
