"""A `with` block in which this thread cannot import some packages, though they are installed. What is loaded already stays.

Some libraries load PyTorch when it is there, for parts that are not used here: seconds and hundreds of megabytes of every process.
Other threads import as ever, so nobody who needs the packages meets the block.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class _Hidden:
    """A finder (PEP 451) that comes before all others."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.thread = frozenset(names), threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"{name} is not wanted here", name=name)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """`names` are top-level packages."""
    finder = _Hidden(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
