"""Kinds of request values: what is allowed in words and as JSON schema, and a check of a JSON value. No coercion."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WRONG_TYPE = "invalid_type"
WRONG_VALUE = "invalid_value"
LARGEST_ID = 2**31 - 1  # of a token
NAME_LIKE = re.compile(r"[\w./:-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kind:
    """`problem` gives the error code of a value that is not allowed, or None."""

    allowed: str
    schema: Mapping[str, Any]
    problem: Callable[[Any], str | None]


def shown(value: object) -> str:
    """A received value for an error message. Text is shown only where it looks like a name: it may be what a person wrote."""
    if isinstance(value, str):
        return repr(value) if NAME_LIKE.fullmatch(value) else f"a string of {len(value)} characters"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value:.12g}" if isinstance(value, float) or abs(value) < 10**12 else "a very large number"
    return "a list" if isinstance(value, list) else "an object"


def text(most: int | None = None) -> Kind:
    """`most` characters, if it is given."""
    schema = {"type": "string"} if most is None else {"type": "string", "maxLength": most}
    return Kind("a string" + limit(most), schema, lambda value: length_problem(value, 0, most))


def name(most: int | None = None) -> Kind:
    schema = {"type": "string", "minLength": 1} if most is None else {"type": "string", "minLength": 1, "maxLength": most}
    return Kind("a string that is not empty" + limit(most), schema, lambda value: length_problem(value, 1, most))


def limit(most: int | None) -> str:
    return "" if most is None else f", of at most {most} characters"


def length_problem(value: object, least: int, most: int | None) -> str | None:
    if not isinstance(value, str):
        return WRONG_TYPE
    return None if len(value) >= least and (most is None or len(value) <= most) else WRONG_VALUE


def flag() -> Kind:
    return Kind("true or false", {"type": "boolean"}, lambda value: None if isinstance(value, bool) else WRONG_TYPE)


def integer(low: int, high: int) -> Kind:
    def problem(value: object) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return WRONG_TYPE
        return out_of_range("integer", value < low, value > high)

    # JSON schema's bounds are doubles to most readers, and would be off by one at 64 bits.
    bounds = {"minimum": low, "maximum": high} if high < 2**53 else {"format": "int64"}
    return Kind(f"an integer from {low} to {high}", {"type": "integer", **bounds}, problem)


def number(low: float, high: float, above: bool = False) -> Kind:
    """A finite number from `low` to `high`; with `above`, `low` itself is not allowed."""

    def problem(value: object) -> str | None:
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
            return WRONG_TYPE
        return out_of_range("decimal", value <= low if above else value < low, value > high)

    bound = {"exclusiveMinimum" if above else "minimum": low, "maximum": high}
    words = f"above {low:g}, at most {high:g}" if above else f"from {low:g} to {high:g}"
    return Kind(f"a number {words}", {"type": "number", **bound}, problem)


def out_of_range(noun: str, below: bool, beyond: bool) -> str | None:
    """OpenAI's codes."""
    if below:
        return f"{noun}_below_min_value"
    return f"{noun}_above_max_value" if beyond else None


def stop_sequences(most: int) -> Kind:
    def problem(value: object) -> str | None:
        several = value if isinstance(value, list) else [value]
        if not all(isinstance(sequence, str) for sequence in several):
            return WRONG_TYPE
        return None if len(several) <= most and all(several) else WRONG_VALUE

    one = {"type": "string", "minLength": 1}
    schema = {"anyOf": [one, {"type": "array", "items": one, "maxItems": most}]}
    return Kind(f"a string or a list of at most {most} strings, none empty", schema, problem)


def texts(most: int, tokens: bool) -> Kind:
    """OpenAI's `input`: one text or several, none empty; with `tokens`, also one list of token ids or several."""

    def is_input(value: object) -> bool:
        return isinstance(value, str) or (tokens and isinstance(value, list) and all(map(is_id, value)))

    def problem(value: object) -> str | None:
        several = value if isinstance(value, list) and not (value and is_input(value)) else [value]
        if not all(map(is_input, several)) or len({isinstance(one, str) for one in several}) > 1:
            return WRONG_TYPE
        return None if 0 < len(several) <= most and all(several) else WRONG_VALUE

    one: list[dict[str, Any]] = [{"type": "string", "minLength": 1}]
    ids = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}, "minItems": 1}
    kinds = [*one, *([ids] if tokens else [])]
    schema = {"anyOf": [*kinds, *({"type": "array", "items": kind, "minItems": 1, "maxItems": most} for kind in kinds)]}
    words = "a text or a list of token ids, or" if tokens else "a text, or"
    return Kind(f"{words} a list of 1 to {most} of them, none empty", schema, problem)


def is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID


def labels(pairs: int, key_length: int, value_length: int) -> Kind:
    """OpenAI's `metadata`: a few short strings by short keys."""

    def problem(value: object) -> str | None:
        if not isinstance(value, dict) or not all(isinstance(held, str) for held in value.values()):
            return WRONG_TYPE
        fits = len(value) <= pairs and all(len(key) <= key_length and len(held) <= value_length for key, held in value.items())
        return None if fits else WRONG_VALUE

    held = {"type": "string", "maxLength": value_length}
    keys = {"maxLength": key_length}
    schema = {"type": "object", "additionalProperties": held, "propertyNames": keys, "maxProperties": pairs}
    words = f"an object of at most {pairs} strings of at most {value_length} characters, keys of at most {key_length}"
    return Kind(words, schema, problem)


def attributes() -> Kind:
    """OpenAI's `attributes` of a file: a few strings, numbers and booleans by short keys."""

    def problem(value: object) -> str | None:
        if not isinstance(value, dict) or not all(isinstance(held, str | int | float) for held in value.values()):
            return WRONG_TYPE
        short = all(len(key) <= 64 and not (isinstance(held, str) and len(held) > 512) for key, held in value.items())
        finite = all(math.isfinite(held) for held in value.values() if not isinstance(held, str))
        return None if short and finite and len(value) <= 16 else WRONG_VALUE

    held = {"anyOf": [{"type": "string", "maxLength": 512}, {"type": "number"}, {"type": "boolean"}]}
    schema = {"type": "object", "additionalProperties": held, "propertyNames": {"maxLength": 64}, "maxProperties": 16}
    words = "an object of at most 16 strings of at most 512 characters, numbers and booleans, keys of at most 64"
    return Kind(words, schema, problem)


def one_of(*values: object) -> Kind:
    """Exactly these JSON values. true is not 1 and false is not 0, unlike in Python."""

    def problem(value: object) -> str | None:
        same = (value == known and isinstance(value, bool) == isinstance(known, bool) for known in values)
        return None if any(same) else WRONG_VALUE

    return Kind(" or ".join(map(json.dumps, values)), {"enum": list(values)}, problem)


def record(properties: Mapping[str, Any]) -> Kind:
    """An object. Its fields are checked one by one by the reader, so that an error names the field."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Kind("an object", schema, lambda value: None if isinstance(value, dict) else WRONG_TYPE)


def rows(items: Mapping[str, Any]) -> Kind:
    """A list with at least one item. The items are checked by the reader."""

    def problem(value: object) -> str | None:
        if not isinstance(value, list):
            return WRONG_TYPE
        return None if value else "empty_array"

    return Kind("a list that is not empty", {"type": "array", "items": items, "minItems": 1}, problem)
