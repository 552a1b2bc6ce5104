"""Claims: a sentence of a reply in; where it diagnoses, doses, or claims to be a human being or a professional, out."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from heedful.guards.crisis.gates import LETTERS, gates_of
from heedful.guards.reply.findings import FindingKind
from heedful.guards.tables import lines, table

APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "\u00a0": " "})
WORDS = re.compile(r"[\w']+")
AMOUNT = re.compile(r"\d+(?:[.,]\d+)? ?(?:mg|mcg|µg|ml|iu|milligrams?|micrograms?)")

TOLD = re.compile(r"\byou(?:'re| are|'ve been| have been)?(?: take| taking| on| said| mentioned| wrote)? $")
NO_ILLNESS = frozenset({"is", "be", "it", "you", "this", "your", "that"})  # how a diagnosis without a name may end


@dataclass(frozen=True, slots=True)
class Claim:
    """`sentence[start:end]`."""

    kind: FindingKind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ClaimRule:
    kind: FindingKind
    expression: re.Pattern[str]
    gates: tuple[frozenset[str], ...]


@lru_cache(maxsize=1)
def claim_rules() -> tuple[ClaimRule, ...]:
    made = []
    for rule in table("claims")["rules"]:
        for line in lines(rule["patterns"]):
            pattern = expand(line)
            made.append(ClaimRule(rule["kind"], re.compile(pattern + r"(?!\w)"), gates_of(pattern)))
    return tuple(made)


@lru_cache(maxsize=1)
def places_of_rules() -> tuple[frozenset[int], dict[str, frozenset[int]]]:
    """Which rules to try on any sentence, and which where a word begins so. A sentence is read again with each of its words."""
    anywhere, by_beginning = set(), defaultdict(set)
    for place, rule in enumerate(claim_rules()):
        if not rule.gates:
            anywhere.add(place)
        for beginning in min(rule.gates, key=len, default=()):
            by_beginning[beginning].add(place)
    return frozenset(anywhere), {beginning: frozenset(places) for beginning, places in by_beginning.items()}


def expand(pattern: str) -> str:
    macros: dict[str, str] = table("claims")["macros"]
    while True:
        filled = re.sub(r"<([a-z]+)>", lambda match: macros[match[1]], pattern)
        if filled == pattern:
            return filled
        pattern = filled


def find_claims(sentence: str, said: str = "") -> Iterator[Claim]:
    """What stands in quotation marks is a wording, not a claim.

    `said` is what the conversation holds already, in small letters: an illness or an amount that the person named themselves is
    nobody's diagnosis or advice.
    """
    text = sentence.lower().translate(APOSTROPHES)
    there = {word[:LETTERS] for word in WORDS.findall(text)}
    anywhere, by_beginning = places_of_rules()
    tried = anywhere.union(*(by_beginning[beginning] for beginning in there if beginning in by_beginning))
    for rule in map(claim_rules().__getitem__, sorted(tried)):
        if any(map(there.isdisjoint, rule.gates)):
            continue
        for match in rule.expression.finditer(text):
            before = text[: match.start()]
            if not (is_quoted(before) or is_excused(rule.kind, before) or is_known(rule.kind, match[0], before, said)):
                yield Claim(rule.kind, match.start(), match.end())


def true_words(kind: FindingKind) -> str:
    """How a sentence goes on from before the word that would have made it wrong."""
    words: dict[str, str] = table("claims")["instead"]
    return words[kind]


@lru_cache(maxsize=8)
def excuses(kind: FindingKind) -> re.Pattern[str] | None:
    found = table("claims")["excused"].get(kind)
    return None if found is None else re.compile(rf"(?:{'|'.join(lines(found))}) $")


def is_excused(kind: FindingKind, before: str) -> bool:
    found = excuses(kind)
    return found is not None and found.search(before) is not None


def is_quoted(before: str) -> bool:
    return before.count('"') % 2 == 1 or before.count("“") > before.count("”")


def is_known(kind: FindingKind, claim: str, before: str, said: str) -> bool:
    """Whether the person said it first: an illness by its name, an amount as in `you take 20 mg`."""
    if kind == "diagnosis":
        last = claim.rsplit(maxsplit=1)[-1]
        return last not in NO_ILLNESS and last in WORDS.findall(said)
    amount = AMOUNT.search(claim)
    if kind != "dose" or amount is None or amount[0].replace(" ", "") not in said.replace(" ", ""):
        return False
    return amount[0] == claim or TOLD.search(before) is not None
