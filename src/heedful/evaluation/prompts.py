"""Prompts: held-out conversations in, the chats that are put to both models out. The same seed draws the same prompts."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from heedful.conversation import Conversation, Message


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation up to one of its assistant turns. `reference` is what was answered then.

    `conversation` is the fingerprint of the whole, so that a person's texts can be found in a report when they are to be erased.
    """

    messages: tuple[Message, ...]
    reference: str
    conversation: str


def draw_prompts(conversations: Sequence[Conversation], count: int, seed: int) -> list[Prompt]:
    """Up to `count` different prompts.

    Every conversation gives one, cut before an assistant turn that the seed chooses, before any gives a second one. The order of
    `conversations` does not matter. Prompts with equal messages (one question, several answers) count once.
    """
    by_conversation = {c.fingerprint(): prompts for c in conversations if (prompts := cut(c, seed))}
    in_order = [by_conversation[key] for key in sorted(by_conversation, key=lambda key: digest(seed, key))]
    rounds = (prompt for row in zip_longest(*in_order) for prompt in row if prompt is not None)
    distinct: dict[tuple[Message, ...], Prompt] = {}
    for prompt in rounds:
        distinct.setdefault(prompt.messages, prompt)
    return list(distinct.values())[:count]


def cut(conversation: Conversation, seed: int) -> list[Prompt]:
    """One prompt for each assistant turn that answers a user, in an order that the seed chooses."""
    fingerprint, messages = conversation.fingerprint(), conversation.messages
    turns = [i for i in range(1, len(messages)) if messages[i].role == "assistant" and messages[i - 1].role == "user"]
    random.Random(digest(seed, fingerprint)).shuffle(turns)
    return [Prompt(messages[:turn], messages[turn].content, fingerprint) for turn in turns]


def digest(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
