"""The order of turns: columns in; which of them says it, and the place of a row, out. Numbers and ISO 8601 times are read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time

from heedful.sources.columns import named_or_none, words
from heedful.sources.rows import Fields, Hints, Records, RowError
from heedful.sources.text import is_blank

PLACE = frozenset({"turn", "order", "position", "index", "idx", "seq", "sequence", "step"})
TIME = frozenset({"time", "timestamp", "date", "datetime", "created", "sent"})
BESIDE = frozenset({"id", "no", "nr", "number", "message", "utterance", "at", "on", "utc", "of"})


def find_order(records: Records, names: Sequence[str], hints: Hints) -> dict[str, str]:
    """The one column of places, or else of times, that can be read in all first records. A named one is taken as it is."""
    if "order" in hints.columns:
        return named_or_none("order", names, hints, records.path, lambda name: False)
    for kinds in (PLACE, TIME):
        found = [name for name in names if words(name) & kinds and words(name) - kinds <= BESIDE]
        readable = [name for name in found if all(is_place(row.get(name)) for row in records.sample)]
        if len(readable) == 1:
            return {"order": readable[0]}
    return {}


def is_place(value: object) -> bool:
    try:
        number(value)
    except ValueError:
        return False
    return True


def place_of(fields: Fields, mapping: Mapping[str, str]) -> float:
    """Where a row stands among its conversation's; all alike without an order column. Raises RowError for what cannot be read."""
    if "order" not in mapping:
        return 0.0
    try:
        return number(fields.get(mapping["order"]))
    except ValueError:
        raise RowError(f"{mapping['order']} is neither a number nor a time such as 2026-11-20 09:30") from None


def number(value: object) -> float:
    """Raises ValueError. Times without a zone count as UTC; only their order matters."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, str | int | float) or is_blank(value):
        raise ValueError
    try:
        return float(value)
    except ValueError:
        return number(datetime.fromisoformat(str(value).strip()))
