"""The wire of /api, outward: what was kept, what was decided, what was counted. Heedful's own; OpenAI has nothing like it."""

from typing import Literal

from pydantic import BaseModel

from heedful.store.schema import Decision, Purpose


class ReplyReference(BaseModel):
    """`id` is what feedback names; `position` counts the messages from 0."""

    id: str
    position: int


class KeptConversation(BaseModel):
    """`kept` is false, and the others empty, where the person did not agree: then the conversation was counted, nothing else."""

    object: Literal["conversation"]
    kept: bool
    id: int | None
    replies: list[ReplyReference]


class KeptStatement(BaseModel):
    """As KeptConversation. `conversation` is null for a statement about none."""

    object: Literal["mood", "assessment", "feedback"]
    kept: bool
    conversation: int | None


class DecisionEntry(BaseModel):
    """The newest of a purpose. `version` counts the decisions on it, `form` names the wording, `actor` the key that entered it."""

    purpose: Purpose
    decision: Decision
    version: int
    form: str
    actor: str
    decided_at: int


class ConsentState(BaseModel):
    object: Literal["consent"]
    person: str
    decisions: list[DecisionEntry]


class CountEntry(BaseModel):
    """`day` is in UTC."""

    day: str
    kind: str
    kept: bool
    count: int


class CountList(BaseModel):
    object: Literal["list"]
    data: list[CountEntry]
