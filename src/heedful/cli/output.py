"""What a verb prints: a result as a table or as one JSON object on stdout, progress and errors on stderr."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from heedful.errors import HeedfulError

FAILED = 1
PLAIN_LINE_SECONDS = 5.0
PIPE_WIDTH = 132

Observe = Callable[[int, int | None, str], None]  # done, total (None: unknown), a note


def console(stderr: bool = False) -> Console:
    """As wide as the terminal; a file or a pipe gets lines wide enough for a table."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, soft_wrap=True, width=PIPE_WIDTH)


@dataclass(frozen=True, slots=True)
class Output:
    """Where a verb talks. `as_json` sends everything but the one JSON object to stderr."""

    as_json: bool = False
    stdout: Console = field(default_factory=console)
    stderr: Console = field(default_factory=lambda: console(stderr=True))

    def say(self, text: str) -> None:
        """A line of narration."""
        (self.stderr if self.as_json else self.stdout).print(Text(text))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        table = Table(*columns, title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        (self.stderr if self.as_json else self.stdout).print(table)

    def result(self, payload: dict[str, Any]) -> None:
        """The one JSON object, when it was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(payload, ensure_ascii=False, default=str) + "\n")
            sys.stdout.flush()


@contextmanager
def reporting(as_json: bool = False) -> Iterator[Output]:
    """Body of every verb: a HeedfulError becomes one line, the next command and exit 1; a full disk or a lost file likewise."""
    output = Output(as_json)
    try:
        yield output
    except HeedfulError as error:
        fail(output, error.text, error.next_step)
    except OSError as error:
        fail(output, f"{error.filename or 'file system'}: {error.strerror or error}", "heedful doctor")


def fail(output: Output, text: str, next_step: str) -> None:
    output.stderr.print(Text.assemble(("error: ", "bold red"), text))
    if next_step:
        output.stderr.print(Text.assemble(("next:  ", "bold"), next_step))
    output.result({"error": text, "next": next_step})
    raise SystemExit(FAILED)


@contextmanager
def progress_bar(output: Output, title: str) -> Iterator[Observe]:
    """A bar with ETA on stderr; the yielded function moves it.

    Where stderr is no terminal it prints a plain line every few seconds, so logs stay readable.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    quiet = not output.stderr.is_terminal or os.environ.get("CI") == "true"
    with Progress(*columns, console=output.stderr, disable=quiet, transient=True) as bar:
        task = bar.add_task(title, total=None, note="")
        shown_at = 0.0

        def observe(done: int, total: int | None, note: str = "") -> None:
            nonlocal shown_at
            bar.update(task, completed=done, total=total, note=note)
            if quiet and (time.monotonic() - shown_at > PLAIN_LINE_SECONDS or done == total):
                shown_at = time.monotonic()
                output.stderr.print(Text(f"{title}: {done}{'' if total is None else f'/{total}'} {note}".rstrip()))

        yield observe
