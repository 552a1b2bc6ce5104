"""Batches: an iterable in, lists of at most `size` of its values out. What keeps memory flat while statements stay large."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(values)
    while batch := list(islice(waiting, size)):
        yield batch
