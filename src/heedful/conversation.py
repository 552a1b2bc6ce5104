"""Conversation: the one value that every stage hands on. Frozen, without ids or times; those belong to the store."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = get_args(Role)
FinishReason = Literal["stop", "length"]  # how a reply ended: by itself, or cut at its limit


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who spoke and what was said."""

    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        """The shape of an OpenAI chat message."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order.

    `group` names what must stay on one side of a split, for instance the tag of an intent whose answers are shared. Empty means
    that the first question decides.
    """

    messages: tuple[Message, ...]
    group: str = ""

    @property
    def question(self) -> str:
        """The first user message, or an empty text."""
        return next((m.content for m in self.messages if m.role == "user"), "")

    @property
    def answers(self) -> tuple[str, ...]:
        """Texts of all assistant messages: what training supervises."""
        return tuple(m.content for m in self.messages if m.role == "assistant")

    def as_row(self) -> dict[str, list[dict[str, str]]]:
        """One row of an OpenAI chat JSONL file."""
        return {"messages": [m.as_dict() for m in self.messages]}

    def fingerprint(self) -> str:
        """SHA-256 of roles and texts: equal for equal conversations, whatever file they came from."""
        return hashlib.sha256(json.dumps(self.as_row(), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def conversation_from_rows(rows: Sequence[Mapping[str, str]], group: str = "") -> Conversation:
    """From message dictionaries whose roles are known to be valid (rows that Heedful itself wrote)."""
    return Conversation(tuple(Message(cast(Role, row["role"]), row["content"]) for row in rows), group)
