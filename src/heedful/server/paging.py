"""Paging: all of a list, a cursor and a limit in; one page, and whether there is more, out."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from heedful.server.errors import refusal

T = TypeVar("T")


def page_of(there: Sequence[T], id_of: Callable[[T], str], after: str, limit: int) -> tuple[Sequence[T], bool]:
    """What comes behind `after`, the id of the last one of the page before. Raises ApiError when that is not there."""
    start = 0
    if after:
        start = next((place for place, one in enumerate(there, 1) if id_of(one) == after), 0)
        if start == 0:
            raise refusal("after", "after is none of the ids of this list.")
    return there[start : start + limit], len(there) > start + limit
