"""Lexicon: plain sentences in; every dangerous phrase in them out, whatever its context may make of it."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from heedful.guards.crisis.gates import LETTERS, Gate, compiled
from heedful.guards.tables import lines, table

Kind = Literal["suicide", "self_harm", "harm_to_others", "abuse", "minor", "perinatal"]
Tier = Literal["none", "distress", "passive", "active", "imminent"]
TIERS: tuple[Tier, ...] = ("none", "distress", "passive", "active", "imminent")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a phrase says where nothing around it says otherwise.

    `despite` names contexts that change nothing; `unsure`: the phrase is often harmless, and counts where the classifier agrees.
    """

    name: str
    kind: Kind
    tier: Tier
    explicit: bool
    despite: frozenset[str]
    unsure: bool


@dataclass(frozen=True, slots=True)
class Phrase:
    """A dangerous phrase at `start:end` of the sentence."""

    rule: Rule
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pattern:
    rule: Rule
    expression: re.Pattern[str]
    gate: Gate


def expand(pattern: str) -> str:
    """Macros and gaps filled in."""
    macros: dict[str, str] = table("crisis")["macros"]
    while True:
        filled = re.sub(r"<g(\d)>", r"(?: \\w+){0,\1}", pattern)
        filled = re.sub(r"<([a-z]+)>", lambda match: macros[match[1]], filled)
        if filled == pattern:
            return filled
        pattern = filled


@lru_cache(maxsize=1)
def patterns() -> tuple[Pattern, ...]:
    found = []
    for rule in table("crisis")["rules"]:
        made = Rule(
            rule["name"],
            rule["kind"],
            rule["tier"],
            rule["explicit"],
            frozenset(rule.get("despite", ())),
            rule.get("unsure", False),
        )
        found += [Pattern(made, *compiled(expand(line))) for line in lines(rule["patterns"])]
    return tuple(found)


@lru_cache(maxsize=1)
def hint_patterns() -> tuple[tuple[str, re.Pattern[str], Gate], ...]:
    hints: dict[str, str] = table("crisis")["hints"]
    return tuple((group, *compiled(expand(line))) for group, block in hints.items() for line in lines(block))


def word_beginnings(text: str) -> set[str]:
    return {word[:LETTERS] for word in text.split()}


@lru_cache(maxsize=1)
def places_of_patterns() -> tuple[frozenset[int], dict[str, frozenset[int]]]:
    """Which patterns to try on any sentence, and which where a word begins so: few of hundreds are worth trying on one sentence."""
    anywhere, by_beginning = set(), defaultdict(set)
    for place, pattern in enumerate(patterns()):
        if pattern.gate is None:
            anywhere.add(place)
        for beginning in pattern.gate or ():
            by_beginning[beginning].add(place)
    return frozenset(anywhere), {beginning: frozenset(places) for beginning, places in by_beginning.items()}


def find_phrases(sentence: str) -> Iterator[Phrase]:
    """All phrases, in the order of the rules."""
    anywhere, by_beginning = places_of_patterns()
    tried = anywhere.union(*(by_beginning[there] for there in word_beginnings(sentence) if there in by_beginning))
    for pattern in map(patterns().__getitem__, sorted(tried)):
        for match in pattern.expression.finditer(sentence):
            yield Phrase(pattern.rule, match.start(), match.end())


def find_hints(sentence: str) -> set[str]:
    """Groups of phrases that say little alone, such as `hopeless`, `means`, `timing`."""
    there = word_beginnings(sentence)
    return {
        group
        for group, expression, gate in hint_patterns()
        if (gate is None or not gate.isdisjoint(there)) and expression.search(sentence)
    }
