"""Similarity: the words of two texts in; whether the one is the other with small edits out.

Numbers weigh most, and long words more than short ones, which are mostly grammar. A word with a typing error counts as itself.
The shorter the texts, the more alike they must be: in "how do I treat asthma" one word is a quarter of the question, in a letter
of a hundred words it is nothing. A text that is the other without some of its sentences counts as well.

The numbers below were set on one half of the edited real rows of `benchmarks/duplicates.py` and are reported on the other half.
"""

from collections.abc import Sequence
from functools import lru_cache

from rapidfuzz.distance import OSA

from heedful.dataset.words import NEGATIONS

LONG_WORD, LIGHT, NUMBER = 4, 0.4, 2.0  # letters; weight of a word shorter than that, and of a number
STRICTEST, LOOSEST, SLOPE = 1.0, 0.45, 0.0125  # share of common weight that is asked of texts of few, of many words; per word
PART_WORDS, PART_SHARE, PART_SIZE = 12, 0.95, 0.5  # least words, common share and relative size of a text that is part of the other
FAR_APART = 3  # times the common weight is only in one of them: whatever is mistyped, they are no versions
ROUNDING = 1e-6
LETTERS_AN_ERROR = 12  # a short text may have one typing error in so many letters, wherever it is
WORDS_KEPT = 1 << 16  # whose weight is remembered: the same words are compared again and again
OPPOSITES = ("hypo", "hyper")  # two letters apart, and a different illness


def is_near(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether both are versions of one text."""
    if not one or not other:
        return one == other
    longest = max(len(one), len(other))
    common, left, right = overlap(one, other)
    only = sum(map(weight, left)), sum(map(weight, right))
    most = min(sum(map(may_be_mistyped, left)), sum(map(may_be_mistyped, right))) + ROUNDING  # weight that may be forgiven
    if sum(only) <= FAR_APART * common and fits(common + most, only[0] - most, only[1] - most, longest):
        common, left, right = forgive(common, left, right)
        only = sum(map(weight, left)), sum(map(weight, right))
    return fits(common, *only, longest) or (longest <= PART_WORDS and is_mistyped(one, other))


def fits(common: float, only_one: float, only_other: float, longest: int) -> bool:
    """Whether so much weight in common is enough for texts of at most so many words."""
    if common >= max(LOOSEST, STRICTEST - SLOPE * longest) * (common + only_one + only_other):
        return True
    smaller, larger = sorted((only_one, only_other))
    return longest >= PART_WORDS and common >= PART_SHARE * (common + smaller) and common >= PART_SIZE * (common + larger)


def overlap(one: Sequence[str], other: Sequence[str]) -> tuple[float, list[str], list[str]]:
    """Weight of what is in both; words only in the first, only in the second. They count as often as they occur, in any order."""
    left, common = [], 0.0
    there: dict[str, int] = {}
    for word in other:
        there[word] = there.get(word, 0) + 1
    for word in one:
        if there.get(word):
            there[word] -= 1
            common += weight(word)
        else:
            left.append(word)
    return common, left, [word for word, count in there.items() for _ in range(count)]


def forgive(common: float, left: Sequence[str], right: Sequence[str]) -> tuple[float, list[str], list[str]]:
    """A word with a typing error is in both."""
    others, kept = list(right), []
    for word in left:
        alike = (known for known in others if known[0] == word[0] or known[-2:] == word[-2:])  # cheap to ask, and asked often
        meant = next((known for known in alike if is_typo(word, known)), None)
        if meant is None:
            kept.append(word)
        else:
            others.remove(meant)
            common += weight(word)
    return common, kept, others


def may_be_mistyped(word: str) -> bool:
    return len(word) >= LONG_WORD and not is_number(word)


@lru_cache(maxsize=WORDS_KEPT)
def weight(word: str) -> float:
    if is_number(word):
        return NUMBER
    return 1.0 if len(word) >= LONG_WORD or word in NEGATIONS else LIGHT


@lru_cache(maxsize=WORDS_KEPT)
def is_number(word: str) -> bool:
    """Also `50mg` and `4th`."""
    return any(character.isdigit() for character in word)


def is_typo(one: str, other: str) -> bool:
    """One letter more, less, other, or two in turned order; two such errors in words of eight letters or more. Never in numbers."""
    shortest = min(len(one), len(other))
    if shortest < LONG_WORD or is_number(one) or is_number(other) or are_opposites(one, other):
        return False
    allowed = 1 if shortest < 2 * LONG_WORD else 2
    return OSA.distance(one, other, score_cutoff=allowed) <= allowed


def are_opposites(one: str, other: str) -> bool:
    """A prefix of two letters or more may turn a word into its opposite: `unsafe`, `hypotension`."""
    if [one.startswith(prefix) for prefix in OPPOSITES] != [other.startswith(prefix) for prefix in OPPOSITES]:
        return True
    return abs(len(one) - len(other)) > 1 and (one.endswith(other) or other.endswith(one))


def is_mistyped(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether few letters differ anywhere, and no number, negation or prefix does."""
    here, there = " ".join(one), " ".join(other)
    allowed = min(len(here), len(there)) // LETTERS_AN_ERROR
    telling = [sorted(word for word in text if is_number(word) or word in NEGATIONS) for text in (one, other)]
    if telling[0] != telling[1] or OSA.distance(here, there, score_cutoff=allowed) > allowed:
        return False
    return not any(are_opposites(left, right) for left in set(one) - set(other) for right in set(other) - set(one))
