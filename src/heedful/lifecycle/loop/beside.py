"""Beside: a workspace in; while the block runs, a worker in a process of its own beside this one, out.

It takes what the block serves from nobody: it puts itself behind everything else. Where a worker is there already, that one stays.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from heedful.workspace import Workspace

COMMAND = (sys.executable, "-P", "-m", "heedful.cli.main", "worker")
END_S = 5.0


@contextmanager
def worker_beside(workspace: Workspace, wanted: bool = True) -> Iterator[None]:
    """In a session of its own, so that Ctrl-C in a terminal reaches the server only. What it says goes to stderr."""
    if not wanted:
        yield
        return
    command = (*COMMAND, "--workspace", str(workspace.root))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), start_new_session=True) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
