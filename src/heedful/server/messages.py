"""The `messages` of a request: parsed JSON goes in, Messages come out, or a refusal that names the item."""

from collections.abc import Mapping
from typing import Any

from heedful.conversation import Message, Role
from heedful.server.errors import ApiError, refusal
from heedful.server.kinds import WRONG_TYPE, shown

# A developer's message is OpenAI's newer word for a system message.
ROLE_OF: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
# Clients send an assistant's message back as they received it, with fields that say nothing when they are empty.
EMPTY_FIELDS = ("name", "refusal", "audio", "tool_calls", "function_call", "annotations")
PART_SCHEMA = {
    "type": "object",
    "properties": {"type": {"enum": ["text"]}, "text": {"type": "string"}},
    "required": ["type", "text"],
    "additionalProperties": False,
}
MESSAGE_SCHEMA = {
    "type": "object",
    "properties": {
        "role": {"enum": list(ROLE_OF)},
        "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": PART_SCHEMA, "minItems": 1}]},
        **{field: {"enum": [None, []]} for field in EMPTY_FIELDS},
    },
    "required": ["role", "content"],
    "additionalProperties": False,
}


def read_messages(rows: list[Any]) -> tuple[Message, ...]:
    """Raises ApiError for the first item that is wrong, and when the last message is not from the user: nobody asked anything."""
    messages = tuple(read_message(row, f"messages[{number}]") for number, row in enumerate(rows))
    if messages[-1].role != "user":
        place = f"messages[{len(rows) - 1}].role"
        raise refusal(
            place, f"The last message is from {messages[-1].role!r}; it must be from 'user', for there is nothing to answer."
        )
    return messages


def read_message(row: object, place: str) -> Message:
    if not isinstance(row, dict):
        raise refusal(place, f"{place} is {shown(row)}; allowed: an object with role and content.", WRONG_TYPE)
    for key, value in row.items():
        if key in EMPTY_FIELDS:
            if value not in (None, []):
                raise refusal(
                    f"{place}.{key}", f"{place}.{key} is not supported; allowed: absent or null.", "unsupported_parameter"
                )
        elif key not in ("role", "content"):
            raise refusal(
                f"{place}.{key[:64]}", f"Unknown field {key[:64]!r} in {place}; allowed: role, content.", "unknown_parameter"
            )
    return Message(read_role(row.get("role"), f"{place}.role"), read_content(row.get("content"), f"{place}.content"))


def read_role(value: object, place: str) -> Role:
    if value is None:
        raise missing(place)
    if not isinstance(value, str) or value not in ROLE_OF:
        code = "invalid_value" if isinstance(value, str) else WRONG_TYPE
        tools = " Tools are not supported." if value in ("tool", "function") else ""
        raise refusal(place, f"{place} is {shown(value)}; allowed: {', '.join(ROLE_OF)}.{tools}", code)
    return ROLE_OF[value]


def read_content(value: object, place: str) -> str:
    """A text, or text parts, which are joined by a line break."""
    if value is None:
        raise missing(place)
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise refusal(place, f"{place} is {shown(value)}; allowed: a string or a list of text parts.", WRONG_TYPE)
    if not value:
        raise refusal(place, f"{place} is an empty list; allowed: a string or a list of text parts.", "empty_array")
    return "\n".join(read_part(part, f"{place}[{number}]") for number, part in enumerate(value))


def read_part(part: object, place: str) -> str:
    if not isinstance(part, dict):
        raise refusal(place, f"{place} is {shown(part)}; allowed: an object with type and text.", WRONG_TYPE)
    if part.get("type") != "text":
        raise refusal(f"{place}.type", f"{place}.type is {shown(part.get('type'))}; only 'text' is supported.")
    for key in part:
        if key not in ("type", "text"):
            raise refusal(
                f"{place}.{key[:64]}", f"{place}.{key[:64]} is not supported; allowed: type, text.", "unsupported_parameter"
            )
    words = part.get("text")
    if not isinstance(words, str):
        raise refusal(f"{place}.text", f"{place}.text is {shown(words)}; allowed: a string.", WRONG_TYPE)
    return words


def missing(place: str) -> ApiError:
    return refusal(place, f"{place} is missing.", "missing_required_parameter")
