"""Conflicts: answers to one question that cannot both be true. A conversation in, the one thing it claims out.

Only short, closed answers to a single short question claim something: yes or no, or an amount ("how many hours?", "7 to 9 hours").
Two claims conflict when one says yes and the other no, or when their amounts in the same unit have nothing in common. Long answers,
and several helpers who each answer a person in their own way, are no conflict: that is what support data is made of.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from heedful.conversation import Conversation
from heedful.dataset.similarity import is_number
from heedful.dataset.words import NEGATIONS, words

LONGEST = 30  # words of a question or an answer that can be closed
CLOSED = frozenset(
    ("is", "are", "am", "was", "were", "do", "does", "did", "can", "could", "should", "would", "will", "has", "have", "may", "must")
)
AMOUNT = re.compile(
    r"\b(?:how (?:many|much|often|long|old|far|high)|what (?:dose|dosage|amount|number|age|year)|at what|which year)\b"
)
YES = frozenset(("yes", "yeah", "yep", "definitely", "absolutely", "certainly"))
NO = frozenset(("no", "nope", "never"))
NUMBER = re.compile(
    r"(?P<low>\d+(?:[.,]\d+)?)(?:\s*(?:-|–|to|and|or)\s*(?P<high>\d+(?:[.,]\d+)?))?\s*(?P<unit>%|[^\W\d_]{1,12})?", re.IGNORECASE
)
COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
IN_DIGITS = {word: str(number) for number, word in enumerate(COUNTED, 1)}


@dataclass(frozen=True, slots=True)
class Claim:
    """`about` holds the numbers and negations of the question, so that "50 mg" and "100 mg" are asked apart. An amount is a range;
    yes is 1 to 1 and no is 0 to 0, of the unit `yes`."""

    about: tuple[str, ...]
    unit: str
    low: float
    high: float

    def contradicts(self, other: "Claim") -> bool:
        if (self.about, self.unit) != (other.about, other.unit):
            return False
        return self.high < other.low or other.high < self.low


def claim_of(conversation: Conversation) -> Claim | None:
    """None when the answer is not closed, or the conversation is not one question and one answer."""
    spoken = [message for message in conversation.messages if message.role != "system"]
    if [message.role for message in spoken] != ["user", "assistant"]:
        return None
    question, answer = spoken[0].content, spoken[1].content
    asked, said = words(question), words(answer)
    if question.count("?") > 1 or not 0 < len(asked) <= LONGEST or not 0 < len(said) <= LONGEST:
        return None
    about = tuple(sorted(word for word in asked if is_number(word) or word in NEGATIONS))
    if AMOUNT.search(" ".join(asked)):
        return amount(answer, about)
    if asked[0] in CLOSED and said[0] in YES | NO:
        value = float(said[0] in YES)
        return Claim(about, "yes", value, value)
    return None


def amount(answer: str, about: tuple[str, ...]) -> Claim | None:
    """The one amount that the answer names; None when it names several or none."""
    in_digits = " ".join(IN_DIGITS.get(word.lower(), word) for word in answer.split())
    found = list(NUMBER.finditer(in_digits))
    if len(found) != 1:
        return None
    low = float(found[0]["low"].replace(",", "."))
    high = low if found[0]["high"] is None else float(found[0]["high"].replace(",", "."))
    unit = (found[0]["unit"] or "").lower()
    return Claim(about, unit.removesuffix("s") if len(unit) > 2 else unit, min(low, high), max(low, high))


def conflicting(claims: Mapping[int, Claim], clusters: Iterable[tuple[str, int]]) -> set[int]:
    """Those of the claims, by key, that contradict another one of their cluster. `clusters` has (cluster, key) pairs."""
    together: dict[str, list[int]] = defaultdict(list)
    for cluster, key in clusters:
        if key in claims:
            together[cluster].append(key)
    pairs = (pair for keys in together.values() for pair in combinations(keys, 2))
    return {key for one, other in pairs if claims[one].contradicts(claims[other]) for key in (one, other)}
