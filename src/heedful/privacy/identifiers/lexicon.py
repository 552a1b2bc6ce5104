"""Lexicon: the bundled word list in; what is known of a word, as flags in one integer, and of phrases, out.

`scripts/make_lexicon.py` makes the list, from Faker's names, GeoNames and word counts; it says what each flag means. Loaded once,
when the first text is looked at.
"""

import lzma
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import combinations

ORDINARY, FREQUENT, FEMALE, MALE, COMMON, SURNAME, CITY, LARGE, REGION, COUNTRY, BRAND, PUBLIC = (1 << bit for bit in range(12))
GIVEN = FEMALE | MALE
PLACE = CITY | REGION | COUNTRY
NAME = GIVEN | SURNAME
LETTERS = dict(zip("owfmksclrnbx", (1 << bit for bit in range(12)), strict=True))

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# Accents and vowel signs that stand behind their letter (NFD texts, Indic, Arabic and Thai scripts); rare, and slower to read.
MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0981-\u0dff\u0e31-\u0e4e\u200c\u200d"
MARKED_WORD = re.compile(rf"[^\W\d_][^\W\d_{MARKS}]*(?:[{MARKS}]+[^\W\d_]*)*(?:['’][^\W\d_]+)*")
MARK = re.compile(f"[{MARKS}]")
SPECIAL = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "’": "'"})

Phrase = tuple[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """`flags` by word; `phrases` by first word: the words after it and the flags of the whole, longest first.

    `regions`, `countries` and `continents` say where a name, a place and a country belong, for surrogates.
    """

    flags: Mapping[str, int]
    phrases: Mapping[str, tuple[Phrase, ...]]
    regions: Mapping[str, str]
    countries: Mapping[str, str]
    continents: Mapping[str, str]


def fold(text: str) -> str:
    """Lower case, without accents: how words are looked up."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).lower().translate(SPECIAL)


@cache
def lexicon() -> Lexicon:
    flags: dict[str, int] = {}
    phrases: dict[str, list[Phrase]] = {}
    regions: dict[str, str] = {}
    countries: dict[str, str] = {}
    continents: dict[str, str] = {}
    packed = files("heedful").joinpath("assets/identifiers/lexicon.tsv.xz").read_bytes()
    for line in lzma.decompress(packed).decode().splitlines():
        key, letters, region, country, continent = (line + "\t\t\t").split("\t")[:5]
        known = 0
        for letter in letters:
            known |= LETTERS[letter]
        if key.isalpha():
            flags[key] = known
        else:
            words = tuple(bare(word) for word in WORD.findall(key))
            if len(words) > 1:
                phrases.setdefault(words[0], []).append((words[1:], known))
            elif words:
                flags[words[0]] = flags.get(words[0], 0) | known
        if region:
            regions[key] = region
        if country:
            countries[key] = country
        if continent:
            continents[key] = continent
    longest_first = {first: tuple(sorted(rest, key=lambda p: -len(p[0]))) for first, rest in phrases.items()}
    return Lexicon(flags, longest_first, regions, countries, continents)


def bare(word: str) -> str:
    """Without a possessive ending."""
    return word[:-2] if word.endswith("'s") and len(word) > 3 else word


def deletions(word: str) -> set[str]:
    """The word itself and every way to leave one letter out."""
    return set(map("".join, combinations(word, len(word) - 1))) | {word}


@cache
def near_index(flag: int) -> Mapping[str, tuple[str, ...]]:
    """Words with that flag, by what they become without one letter. Two words that meet here differ by one slip at most."""
    index: dict[str, list[str]] = {}
    for word, known in lexicon().flags.items():
        if known & flag and len(word) >= 4:
            for shorter in deletions(word):
                index.setdefault(shorter, []).append(word)
    return {shorter: tuple(words) for shorter, words in index.items()}


@lru_cache(maxsize=16_384)  # words of people: a server that runs for months must not gather them
def is_near(word: str, flag: int) -> bool:
    """One letter missing, too many or other, or two neighbours swapped, in a word of that flag with the same first letter."""
    index = near_index(flag)
    return any(one_slip(word, other) for shorter in deletions(word) for other in index.get(shorter, ()))


def one_slip(word: str, other: str) -> bool:
    """Whether one edit or swap of neighbours lies between two words that share a deletion."""
    if word[0] != other[0] or word == other:
        return word == other
    if len(word) != len(other):
        return True
    different = [place for place, (a, b) in enumerate(zip(word, other, strict=True)) if a != b]
    return len(different) == 1 or (len(different) == 2 and different[1] == different[0] + 1)
