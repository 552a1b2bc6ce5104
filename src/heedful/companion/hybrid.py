"""Hybrid: a turn in; whether the local model or the upstream is to answer it, and why; and the upstream's reply, out.

The upstream is asked only where the mode has it, the person allowed it, nothing in the whole chat is a crisis, and it has not just
failed. What it gets is disguised (`privacy.disguise`). Its reply is taken whole, within a budget of time: what a person has read
cannot be taken back, so nothing of it is shown before it has ended and its identifiers are put back.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from heedful.companion.breaker import Breaker
from heedful.companion.guarding import Guards, GuardTrace
from heedful.config import Mode
from heedful.conversation import Message
from heedful.engines.base import Engine, Finished, Generation, Sampling
from heedful.errors import EngineError, PromptTooLong
from heedful.guards import assess_crisis
from heedful.guards.crisis.assess import CrisisAssessment
from heedful.guards.responses import is_response
from heedful.privacy.disguise import disguise

LOG = logging.getLogger("heedful.upstream")
STAYS = re.compile(  # whatever the guard makes of it: that these words were used at all keeps a chat on this machine
    r"\bsuicid|\bself[- ]?harm|\boverdos|\bkill(?:s|ed|ing)? (?:my|him|her|them|your)sel|\bwant(?:s|ed)? to die\b"
    r"|\bend(?:s|ed|ing)? (?:my|his|her|their) life|\b(?:hang|hurt|cut)(?:s|ting|ing)? (?:my|him|her|them)sel"
    r"|\brap(?:e[sd]?|ing)\b|\babus(?:e|es|ed|ive|ing)\b"
    r"|\b(?:hit|hits|hitting|beat|beats|beating|beaten|choke[sd]?|strangle[sd]?)(?: me| her| him| them| us)\b",
    re.IGNORECASE,
)
QUESTION = re.compile(r"\?(?=\s|$)")
MILLION = 1_000_000

Order = Literal["local", "upstream", "local_then_upstream"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one turn: the mode now, and whether this person's newest word allows the upstream."""

    mode: Mode
    allowed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is to answer, and in a word why."""

    order: Order
    mode: Mode
    why: str


@dataclass(frozen=True, slots=True)
class Hybrid:
    """`terms` gets the subject of a turn; it may block. One of these is shared by all companions, for the breaker counts over all.

    `budget_s`: what the upstream may take for a reply, all its tries together. `prices` are of a million tokens, read and written.
    A message of `complex_words`, or with `complex_questions`, is a complex one.
    """

    upstream: Engine
    terms: Callable[[str], Terms]
    breaker: Breaker = field(default_factory=lambda: Breaker(3, 30.0))
    budget_s: float = 8.0
    prices: tuple[float, float] = (0.0, 0.0)
    complex_words: int = 80
    complex_questions: int = 3


async def plan_turn(hybrid: Hybrid, guards: Guards, messages: Sequence[Message], seen: GuardTrace, subject: str) -> Plan:
    """May take some milliseconds for each message of the person: the whole chat is looked through for a crisis."""
    terms = await asyncio.to_thread(hybrid.terms, subject)
    if terms.mode == "local":
        return Plan("local", "local", "mode")
    if not terms.allowed:
        return Plan("local", terms.mode, "no_consent")
    if not guards.crisis or await asyncio.to_thread(has_crisis, guards, messages, seen):
        return Plan("local", terms.mode, "crisis")
    if hybrid.breaker.is_open:
        return Plan("local", terms.mode, "breaker")
    if terms.mode == "hosted":
        return Plan("upstream", "hosted", "mode")
    if is_complex(hybrid, messages):
        return Plan("upstream", "hybrid", "complex")
    return Plan("local_then_upstream", "hybrid", "routine")


def has_crisis(guards: Guards, messages: Sequence[Message], seen: GuardTrace) -> bool:
    """Anywhere in the chat, however long ago, for all of it would be sent. The guard itself lets what is past fade."""
    if seen.tier not in ("none", "distress") or any(is_response(one) or STAYS.search(one.content) for one in messages):
        return True
    turns = [place for place, message in enumerate(messages) if message.role == "user"]
    return any(is_crisis(assess_crisis(messages[: place + 1], classifier=guards.classifier)) for place in turns)


def is_crisis(found: CrisisAssessment) -> bool:
    """More than `is_crisis` of the guard says: a danger to somebody else that was told of stays here as well."""
    return found.is_crisis or found.someone_else


def is_complex(hybrid: Hybrid, messages: Sequence[Message]) -> bool:
    last = next((message.content for message in reversed(messages) if message.role == "user"), "")
    return len(last.split()) >= hybrid.complex_words or len(QUESTION.findall(last)) >= hybrid.complex_questions


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the upstream: its whole reply, with the person's own names in it; or None, and in a word why. It may have cost anyway."""

    found: Generation | None
    why: str = ""
    cost: float = 0.0


async def ask_upstream(hybrid: Hybrid, asked: Sequence[Message], sampling: Sampling, subject: str) -> Answer:
    """Never raises what the upstream does wrong; the log has a line of it, without its words."""
    if not hybrid.breaker.admit():
        return Answer(None, "breaker")
    known = (subject,) if " " in subject or "@" in subject else ()
    try:
        mask = await asyncio.to_thread(disguise, asked, secrets.randbits(32), known)
        async with asyncio.timeout(hybrid.budget_s):
            found = await collect(hybrid.upstream, mask.messages, sampling)
    except TimeoutError:
        return failed(hybrid, "late", f"no whole reply within {hybrid.budget_s:g} s")
    except PromptTooLong:  # no fault of the upstream
        hybrid.breaker.note(answered=True)
        return Answer(None, "context")
    except EngineError as error:
        return failed(hybrid, "failed", error.text)
    hybrid.breaker.note(answered=True)
    cost, text = cost_of(hybrid, found.finished), mask.restore(found.text)
    if text is None:
        LOG.info("a reply of the upstream used a surrogate that cannot be put back")
        return Answer(None, "surrogate", cost)
    return Answer(Generation(text, found.finished), cost=cost)


def failed(hybrid: Hybrid, why: str, reason: str) -> Answer:
    hybrid.breaker.note(answered=False)
    LOG.warning("the upstream failed: %s", reason)
    return Answer(None, why)


async def collect(engine: Engine, messages: Sequence[Message], sampling: Sampling) -> Generation:
    """Closed as soon as the time is over, so that nothing runs on."""
    text = ""
    async with aclosing(engine.stream(messages, sampling)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return Generation(text, event)
            text += event.text
    raise EngineError("the upstream stopped in the middle of a reply", "try again")


def cost_of(hybrid: Hybrid, finished: Finished) -> float:
    read, written = hybrid.prices
    return (finished.prompt_tokens * read + finished.completion_tokens * written) / MILLION
