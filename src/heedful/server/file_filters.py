"""Filters of a vector store search, as OpenAI's API has them: a JSON value in; whether the attributes of a file match, out.

{"type": "eq", "key": "year", "value": 2024}, compared with eq, ne, gt, gte, lt, lte, in or nin; {"type": "and", "filters": [...]}
and "or" join them. true is not 1. A file without the key matches `ne` and `nin` alone; values of two kinds have no order.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from heedful.server.errors import ApiError, refusal
from heedful.server.kinds import shown

Attributes = Mapping[str, str | float | bool]
Matches = Callable[[Attributes], bool]
ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
DEEPEST, MOST = 8, 100  # levels, values of a list


def read_filter(given: object, depth: int = 1) -> Matches:
    """Raises ApiError."""
    if not isinstance(given, dict) or depth > DEEPEST:
        raise wrong(f"{shown(given)}; allowed: an object, nested at most {DEEPEST} deep")
    kind = given.get("type")
    if kind in ("and", "or") and set(given) == {"type", "filters"}:
        return joined(all if kind == "and" else any, given["filters"], depth)
    if set(given) != {"type", "key", "value"} or not isinstance(given["key"], str):
        raise wrong("not a filter; allowed: an object of type, key and value, or of type and filters")
    return compared(kind, given["key"], given["value"])


def joined(join: Callable[[list[bool]], bool], filters: object, depth: int) -> Matches:
    if not isinstance(filters, list) or not 0 < len(filters) <= MOST:
        raise wrong(f"joined wrongly; allowed: a list of 1 to {MOST} filters")
    parts = [read_filter(one, depth + 1) for one in filters]
    return lambda attributes: join([matches(attributes) for matches in parts])


def compared(kind: object, key: str, value: object) -> Matches:
    if kind in ("in", "nin") and isinstance(value, list) and len(value) <= MOST and all(map(is_plain, value)):
        return lambda attributes: any(same(attributes.get(key), one) for one in value) == (kind == "in")
    if kind in ("eq", "ne") and is_plain(value):
        return lambda attributes: same(attributes.get(key), value) == (kind == "eq")
    if isinstance(kind, str) and kind in ORDERED and is_plain(value) and not isinstance(value, bool):
        order = ORDERED[kind]
        return lambda attributes: comparable(attributes.get(key), value) and order(attributes.get(key), value)
    names = ", ".join(["eq", "ne", *ORDERED])
    raise wrong(
        f"of type {shown(kind)} with {shown(value)}; allowed: {names} with a value, in and nin with a list of at most {MOST}"
    )


def is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def same(held: object, value: object) -> bool:
    return held == value and isinstance(held, bool) == isinstance(value, bool)


def comparable(held: object, value: object) -> bool:
    if isinstance(held, bool):
        return False
    return isinstance(held, str) == isinstance(value, str) if is_plain(held) else False


def wrong(what: str) -> ApiError:
    return refusal("filters", f"filters is {what}.")
