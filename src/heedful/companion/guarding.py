"""Guarding: how a companion is guarded, and what the guards saw in one turn. What they do about it stands in `turn`."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heedful.conversation import Message
from heedful.errors import HeedfulError
from heedful.guards import CrisisAssessment, assess_crisis
from heedful.guards.crisis.lexicon import Kind, Tier
from heedful.guards.reply.findings import KINDS, FindingKind
from heedful.guards.reply.guard import ReplyGuard
from heedful.guards.reply.screen import Identify, Rules, rules_for
from heedful.guards.resources import load_countries
from heedful.guards.responses import Team, addition, place_of, respond

LOG = logging.getLogger("heedful.guards")

# Tells the team of a danger, without words of the person. `subject` says whose chat it is where the caller knows.
HandOver = Callable[[CrisisAssessment, str], Team]


@dataclass(frozen=True, slots=True)
class Guards:
    """`country`, `resources`, `kinds` as in the settings `guards`; `known` are texts whose addresses a reply may name.

    `ask_model`: the model's own yes or no to a crisis counts as well. `identify` finds what identifies people, `hand_over` tells
    the team; None leaves them out. `also_generate`: the model is asked in a crisis as well, unseen, for an evaluation to judge.
    """

    crisis: bool = True
    classifier: bool = True
    country: str | None = None
    resources: Path | None = None
    kinds: frozenset[FindingKind] = frozenset(KINDS)
    known: tuple[str, ...] = ()
    ask_model: bool = False
    identify: Identify | None = None
    hand_over: HandOver | None = None
    also_generate: bool = False


@dataclass(frozen=True, slots=True)
class GuardTrace:
    """What the guards saw in one turn. No text: names of rules and kinds only. `seconds` is the time that the crisis guard took.

    `answered`: the person read a template. `found`: one entry for each thing that was turned, replaced or ended in the reply.
    """

    tier: Tier = "none"
    kinds: tuple[Kind, ...] = ()
    rules: tuple[str, ...] = ()
    answered: bool = False
    team: Team = "none"
    found: tuple[FindingKind, ...] = ()
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Look:
    """The crisis guard's part of a turn: what the person reads instead of a reply (None: nothing), and what is put behind one."""

    trace: GuardTrace
    response: str | None = None
    addition: str = ""


def look(guards: Guards, messages: Sequence[Message], subject: str, says_yes: bool = False) -> Look:
    """Assess the chat and, at tiers active and imminent, prepare the response and tell the team. Takes milliseconds; may block.

    `says_yes`: the model itself was asked whether this is a crisis, and said so.
    """
    if not guards.crisis:
        return Look(GuardTrace())
    began = time.perf_counter()
    found = assess_crisis(messages, (lambda _: True) if says_yes else None, guards.classifier)
    seconds = time.perf_counter() - began
    if found.tier == "none" and not found.someone_else:
        return Look(GuardTrace(found.tier, found.kinds, found.rules, seconds=seconds))  # nothing is said that depends on a place
    place = place_of(messages, guards.country, load_countries(guards.resources))
    if not found.in_danger:
        behind = addition(found, messages, place)
        return Look(GuardTrace(found.tier, found.kinds, found.rules, seconds=seconds), addition=behind)
    team = tell_team(guards, found, subject)
    trace = GuardTrace(found.tier, found.kinds, found.rules, True, team, seconds=seconds)
    return Look(trace, respond(found, messages, place, team))


def tell_team(guards: Guards, found: CrisisAssessment, subject: str) -> Team:
    """A hand-over that fails must not keep the person from the response; it is logged, and nobody is said to know."""
    if guards.hand_over is None or not found.fresh:
        return "none"
    try:
        return guards.hand_over(found, subject)
    except HeedfulError as error:
        LOG.error("a hand-over at tier %s could not be recorded: %s", found.tier, error)
        return "none"


def reply_rules(guards: Guards, messages: Sequence[Message]) -> Rules:
    """`messages` as the engine gets them, the system prompt included."""
    return rules_for(messages, load_countries(guards.resources), guards.known, guards.kinds, guards.identify)


def warm_up(guards: Guards) -> None:
    """Read the tables that the first reply would wait for, and with it everybody whose reply is written at that time.

    The words reach every table: a claim, an address, a name, and words that no list has.
    """
    guard = ReplyGuard(reply_rules(guards, [Message("user", "Hello")]))
    guard.feed("Whatt Mary Quillfern from Ohio told me: I am a doctor, call 988 or write to mary@example.org. Tommorow zzorbly. ")
    guard.finish("stop")
