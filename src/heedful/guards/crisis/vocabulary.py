"""Vocabulary: one word as it was typed in; the plain words it stands for out. Leet, stars, stretched letters, typos, slang."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from heedful.guards.tables import table

MOST_READINGS = 64  # of one word in leet
WORDS = re.compile(r"[a-z]+")
STRETCHED = re.compile(r"([a-z])\1{2,}")
STARS = re.compile(r"[*#_%?.~]")
TWO_ERRORS_FROM = 7  # letters


@dataclass(frozen=True)
class Vocabulary:
    """What the rules know. `longest` is the number of words of the longest spelling."""

    spellings: dict[str, str]
    fillers: frozenset[str]
    known: frozenset[str]
    fuzzy: tuple[str, ...]
    not_fuzzy: frozenset[str]
    leet: dict[str, str]
    segments: frozenset[str]
    risky: frozenset[str]
    starred: tuple[str, ...]
    longest: int


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    words, rules = table("words"), table("crisis")
    source = " ".join([*rules["macros"].values(), *(rule["patterns"] for rule in rules["rules"]), *rules["hints"].values()])
    spellings = {str(key): str(value) for key, value in words["spellings"].items()}
    return Vocabulary(
        spellings=spellings,
        fillers=frozenset(words["fillers"].split()),
        known=frozenset(word for word in WORDS.findall(source) if len(word) > 2) | set(words["segments"].split()),
        fuzzy=tuple(words["fuzzy"]),
        not_fuzzy=frozenset(words["not_fuzzy"]),
        leet={str(key): value for key, value in words["leet"].items()},
        segments=frozenset(words["segments"].split()),
        risky=frozenset(words["risky_segments"].split()),
        starred=tuple(words["starred"].split()),
        longest=max(key.count(" ") for key in spellings) + 1,
    )


@lru_cache(maxsize=4_096)  # single words only, never a text
def plain_word(word: str) -> str:
    """A word without white space, in small letters. What nobody knows comes back as it is."""
    known = vocabulary()
    if word in known.spellings or word in known.known:
        return known.spellings.get(word, word)
    if not word.isalpha():
        word = read_leet(word)
    word = shortened(word)
    if word in known.spellings:
        return known.spellings[word]
    return near(word) or split_up(word) or word


def read_leet(word: str) -> str:
    """`k!ll` and `su1c1d3` by their figures, `k*ll` by its stars: only where that gives a word we know."""
    known = vocabulary()
    letters = sum(character.isalpha() for character in word)
    if letters == 0 or len(word) > 16:
        return word
    readings = [known.leet.get(character, character) for character in word]
    if any(len(reading) > 1 or reading != c for reading, c in zip(readings, word, strict=True)):
        for count, chosen in enumerate(product(*readings)):
            candidate = "".join(chosen)
            for form in (candidate, shortened(candidate)):
                if form in known.known or form in known.spellings:
                    return form
            if count >= MOST_READINGS:
                break
    return read_stars(word) if STARS.search(word) and letters >= 2 else word


def read_stars(word: str) -> str:
    pattern = re.compile("".join("[a-z]" if STARS.match(character) else re.escape(character) for character in word))
    return next((known for known in vocabulary().starred if pattern.fullmatch(known)), word)


def shortened(word: str) -> str:
    """`dieeeee` becomes `die`, `killlll` becomes `kill`."""
    if not STRETCHED.search(word):
        return word
    single, double = STRETCHED.sub(r"\1", word), STRETCHED.sub(r"\1\1", word)
    known = vocabulary()
    return double if double in known.known and single not in known.known else single


def near(word: str) -> str | None:
    """A known word of great weight that is spelled almost like this one."""
    known = vocabulary()
    if len(word) < 5 or not word.isalpha() or word in known.not_fuzzy:
        return None
    for target in known.fuzzy:
        if target[0] not in word[:2]:
            continue  # hardly anybody mistypes the first letter
        allowed = 2 if len(target) >= TWO_ERRORS_FROM and word[0] == target[0] else 1
        if abs(len(word) - len(target)) <= allowed and distance(word, target) <= allowed:
            return target
    return None


def distance(one: str, other: str) -> int:
    """Damerau-Levenshtein, adjacent swaps counted as one."""
    before, row = list(range(len(other) + 1)), list(range(len(other) + 1))
    two_before = before
    for i, a in enumerate(one, 1):
        two_before, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, two_before[j - 2] + 1)
            row.append(best)
    return row[-1]


def split_up(word: str) -> str | None:
    """`iwanttodie` as words, where all of it can be read so and one of them is risky."""
    known = vocabulary()
    if not 6 <= len(word) <= 40 or not word.isalpha():
        return None
    best: list[list[str] | None] = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 9), end):
            before = best[start]
            if before is not None and word[start:end] in known.segments:
                found = [*before, word[start:end]]
                if best[end] is None or len(found) < len(best[end] or []):
                    best[end] = found
    words = best[-1]
    if words is None or not known.risky.intersection(words):
        return None
    return " ".join(known.spellings.get(part, part) for part in words)
