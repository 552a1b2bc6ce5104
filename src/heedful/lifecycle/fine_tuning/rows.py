"""Rows of a file for fine-tuning: bytes in; conversations, or the first row that cannot be learned from, out.

OpenAI's chat format: JSON Lines, in each `{"messages": [...]}` with roles system, user and assistant, the last one the assistant's.
https://platform.openai.com/docs/guides/supervised-fine-tuning. What this machine does not learn (tools, pictures, weights) is
refused, never left out.
"""

import json
from collections.abc import Iterator

from heedful.conversation import Conversation, Message, Role
from heedful.errors import HeedfulError

ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
FEWEST = 10  # as OpenAI has it, and the dataset


class BadUpload(HeedfulError):  # noqa: N818 - the file is bad, nothing failed
    """A row cannot be learned from. It is named, and not quoted."""


def read_rows(content: bytes) -> Iterator[Conversation]:
    """One conversation a row; empty lines are passed over. Raises BadUpload."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if line.strip():
            try:
                yield read_row(line)
            except BadUpload as bad:
                raise BadUpload(f"row {number}: {bad.text}") from None


def count_rows(content: bytes) -> tuple[int, str]:
    """How many rows can be read, and what is wrong behind them; empty where nothing is."""
    count = 0
    try:
        for _ in read_rows(content):
            count += 1
    except BadUpload as bad:
        return count, bad.text
    return count, "" if count >= FEWEST else f"the file has {count} rows; a job needs at least {FEWEST}"


def read_row(line: bytes) -> Conversation:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadUpload("is no JSON in UTF-8") from None
    if not isinstance(row, dict):
        raise BadUpload("is no object; allowed: an object with messages")
    refuse_other(row, {"messages"}, "")
    given = row.get("messages")
    if not isinstance(given, list) or not given:
        raise BadUpload("messages is missing, empty or no list")
    messages = tuple(read_message(message, f"messages[{place}]") for place, message in enumerate(given))
    if messages[-1].role != "assistant":
        raise BadUpload("the last message is not the assistant's, so there is nothing to learn")
    if all(message.role != "user" for message in messages):
        raise BadUpload("no message is the user's, so nothing is answered")
    return Conversation(messages)


def read_message(given: object, place: str) -> Message:
    if not isinstance(given, dict):
        raise BadUpload(f"{place} is no object; allowed: an object with role and content")
    if given.get("weight", 1) != 1 or isinstance(given.get("weight"), bool):
        raise BadUpload(f"{place}.weight is not 1; every answer is learned")
    refuse_other(given, {"role", "content", "weight"}, f"{place}.")
    role, content = given.get("role"), given.get("content")
    if not isinstance(role, str) or role not in ROLES:
        raise BadUpload(f"{place}.role is none of {', '.join(ROLES)}")
    if not isinstance(content, str) or not content.strip():
        raise BadUpload(f"{place}.content is missing, empty or no text")
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        raise BadUpload(f"{place}.content holds half of a surrogate pair") from None
    return Message(ROLES[role], content)


def refuse_other(given: dict[str, object], known: set[str], place: str) -> None:
    """A name of a field is quoted only where it looks like one."""
    for key, value in given.items():
        if key not in known and value not in (None, []):
            shown = key if key.isidentifier() and len(key) <= 32 else "a field"
            raise BadUpload(f"{place}{shown} is not supported; allowed: {', '.join(sorted(known))}")
