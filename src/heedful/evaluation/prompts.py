"""Prompts: held-out conversations in, the chats that are put to both models out. The same seed draws the same prompts.

A prompt of a suite (`suites/`) is the same value: what differs is where it comes from and what is expected of the reply.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from heedful.conversation import Conversation, Message
from heedful.guards.crisis.lexicon import Tier

HELD_OUT = "held_out"  # the suite that a dataset's own test split makes
HELD_OUT_SCORERS = frozenset({"relevance"})


@dataclass(frozen=True, slots=True)
class Layout:
    """What the person asked of the outer form of the reply. None and empty: nothing."""

    fewest_words: int | None = None
    most_words: int | None = None
    sentences: int | None = None
    items: int | None = None  # lines that begin with a number, a dash or a dot
    begins: str = ""
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a good reply does. Empty fields ask for nothing.

    tier: what the crisis guard must see; a higher tier is as good, but `none` and `distress` must not be answered by a template.
    facts: each must be named, in any of its spellings. says: patterns, one of which must occur. never: patterns that must not.
    """

    tier: Tier | None = None
    facts: tuple[tuple[str, ...], ...] = ()
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    layout: Layout | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation up to one of its assistant turns. `reference` is what was answered then, empty where nobody wrote one.

    conversation: fingerprint of the whole, so that a person's texts can be found in a report when they are to be erased; a suite
    has no person, so it is empty there. id: stable and unique. kind: of the suite. scorers: those that read this prompt beside
    those that read all. swap: prompts of one name differ in nothing but the group of people that is spoken of.
    """

    messages: tuple[Message, ...]
    reference: str
    conversation: str
    id: str = ""
    suite: str = HELD_OUT
    kind: str = HELD_OUT
    scorers: frozenset[str] = frozenset()
    expect: Expectation = field(default_factory=Expectation)
    swap: str = ""

    @property
    def question(self) -> str:
        """What the person said last."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


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
    return [
        Prompt(messages[:turn], messages[turn].content, fingerprint, f"{fingerprint[:12]}.{turn}", scorers=HELD_OUT_SCORERS)
        for turn in turns
    ]


def digest(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
