"""Contexts: a dangerous phrase and what stands around it in; what makes it mean something else out."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from heedful.guards.crisis.lexicon import Phrase
from heedful.guards.tables import lines, table

Context = Literal["negated", "others", "reported", "past", "fiction", "education", "idiom", "trifle"]
SCOPE_ENDS = re.compile(r"(?:,|\"|\bbut\b|\bthough\b|\byet\b|\bhowever\b|\bexcept\b)")


@dataclass(frozen=True)
class Cues:
    """Compiled once."""

    negators: frozenset[str]
    between: frozenset[str]
    no_denial: frozenset[str]
    others: frozenset[str]
    selves: frozenset[str]
    blocks: dict[str, re.Pattern[str]]
    idioms: re.Pattern[str]


@lru_cache(maxsize=1)
def cues() -> Cues:
    contexts = table("contexts")
    names = ("reported", "past", "present", "fiction", "education", "hyperbole", "passing", "well_now", "intent", "soon", "cited")
    return Cues(
        negators=frozenset(contexts["negators"]),
        between=frozenset(contexts["between"].split()) - frozenset(contexts["between_stops"]),
        no_denial=frozenset(contexts["no_denial"]),
        others=frozenset(contexts["others"].split()),
        selves=frozenset(contexts["selves"]),
        blocks={name: whole_words(lines(contexts[name])) for name in (*names, "denied_after", "of_another")},
        idioms=whole_words(lines(contexts["idioms"])),
    )


def whole_words(patterns: list[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{'|'.join(patterns)})(?![\w'])")


@dataclass(frozen=True, slots=True)
class Around:
    """What can be said of a sentence whatever the phrase: looked up once, and only where a phrase was found."""

    sentence: str
    asks: bool
    idioms: tuple[tuple[int, int], ...]
    past: bool
    fiction: bool
    education: bool
    trifle: bool


def look_around(sentence: str, asks: bool, before: str, whole: str) -> Around:
    """`before` is the sentence in front of it, `whole` all the message: a story is often announced once."""
    blocks = cues().blocks
    present = blocks["present"].search(blocks["well_now"].sub(" ", whole)) is not None
    return Around(
        sentence=sentence,
        asks=asks,
        idioms=tuple(match.span() for match in cues().idioms.finditer(sentence)),
        past=blocks["past"].search(whole) is not None and not present,
        fiction=blocks["fiction"].search(f"{before} . {sentence}") is not None,
        education=blocks["education"].search(whole) is not None,
        trifle=blocks["hyperbole"].search(whole) is not None and blocks["passing"].search(whole) is not None,
    )


def contexts_of(phrase: Phrase, around: Around) -> frozenset[Context]:
    """All that apply, but those that the rule is meant for."""
    before = around.sentence[: phrase.start]
    said = around.sentence[phrase.start : phrase.end]
    found: set[Context] = set()
    if any(start < phrase.end and phrase.start < end for start, end in around.idioms):
        found.add("idiom")
    if is_negated(before, said) or cues().blocks["denied_after"].search(around.sentence, phrase.end):
        found.add("negated")
    if cues().blocks["reported"].search(before):
        found.add("reported")
    elif belongs_to_others(before, said):
        found.add("others")
    if around.past:
        found.add("past")
    if around.fiction:
        found.add("fiction")
    if around.education:
        found.add("education")
    if around.trifle:
        found.add("trifle")
    return frozenset(context for context in found if context not in phrase.rule.despite)


def speaks_of_another(sentence: str) -> bool:
    """Whether somebody else is said to be in danger, in words that no rule has: those are of the speaker."""
    found = cues().blocks["of_another"].search(sentence)
    return found is not None and cues().blocks["fiction"].search(sentence) is None


def is_negated(before: str, said: str) -> bool:
    """A negator, then nothing but auxiliary words, then the phrase."""
    scope = SCOPE_ENDS.split(before)[-1].split()
    for word in reversed(scope):
        if word in cues().negators:
            return cues().no_denial.isdisjoint(scope)
        if word not in cues().between:
            return False
    return False


def belongs_to_others(before: str, said: str) -> bool:
    """Whether the nearest person named before the phrase is somebody else, and the phrase does not name the speaker.

    `myself` alone does not: "why do teens say kms".
    """
    if (cues().selves - {"myself"}).intersection(said.split()):
        return False
    for word in reversed(re.split(r"[,\"]", before)[-1].split()):
        if word in cues().selves:
            return False
        if word in cues().others:
            return True
    return False
