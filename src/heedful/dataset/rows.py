"""Rows: a conversation and the system prompt in, one line of a dataset file out, and back."""

import json

from heedful.conversation import Conversation, Message, conversation_from_rows


def with_system_prompt(conversation: Conversation, system_prompt: str) -> Conversation:
    """The prompt becomes the first message, unless the conversation brings a system message of its own."""
    if not system_prompt or any(message.role == "system" for message in conversation.messages):
        return conversation
    return Conversation((Message("system", system_prompt), *conversation.messages), conversation.group)


def to_line(conversation: Conversation) -> str:
    return json.dumps(conversation.as_row(), ensure_ascii=False) + "\n"


def from_line(line: str) -> Conversation:
    return conversation_from_rows(json.loads(line)["messages"])
