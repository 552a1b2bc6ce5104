"""Presence: a workspace in; whether a worker is there out. One in a workspace: the kernel takes its lock back when it dies.

It stands alone, so that the server can ask without importing all that a worker does.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from heedful.errors import StoreError
from heedful.workspace import Workspace

LOCK, LOOKED_AT_S = ".worker.lock", 1.0  # somebody who only looks whether it is held holds it for a moment


@contextmanager
def sole_worker(workspace: Workspace) -> Iterator[None]:
    """Raises StoreError while another worker is there."""
    try:
        with FileLock(workspace.root / LOCK, timeout=LOOKED_AT_S):
            yield
    except Timeout:
        raise StoreError("a worker of this workspace is running already", "heedful worker --status") from None


def is_working(workspace: Workspace) -> bool:
    """Whether a worker is there."""
    try:
        with FileLock(workspace.root / LOCK, blocking=False):
            return False
    except Timeout:
        return True
