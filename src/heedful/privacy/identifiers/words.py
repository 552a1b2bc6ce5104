"""Words: a text in; its words with offsets, lower-case keys and what the lexicon knows of each, out. One pass for all recognizers.

A possessive ending is no part of a word: "Sarah's" is the word "Sarah".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from heedful.privacy.identifiers.cues import CUES
from heedful.privacy.identifiers.lexicon import BRAND, CITY, COMMON, MARK, MARKED_WORD, ORDINARY, PUBLIC, WORD, fold, lexicon
from heedful.privacy.identifiers.terms import word_set

LOWER, TITLE, UPPER = 0, 1, 2
SENTENCE_END = re.compile(r"[.!?:;\n\r\"“”•*|>]|\s[-–—]\s")
JOINTS = frozenset((" ", "-", "'", "’", ". ", " - "))
DRAWN_OUT = re.compile(r"(.)\1{2,}")
DIGIT = re.compile(r"\d")
CONTRACTIONS = word_set(
    """
    it's he's she's that's what's who's let's there's here's where's how's
    """
)


@dataclass(slots=True)
class Words:
    """Parallel lists, one place a word. `flags` are the lexicon's, `cues` those of `cues.py`."""

    text: str
    starts: list[int]
    ends: list[int]  # without a possessive ending
    stops: list[int]  # with it
    keys: list[str]
    shapes: list[int]
    flags: list[int]
    cues: list[int]
    shouting: bool
    has_digits: bool
    phrases: dict[int, tuple[int, int]] = field(default_factory=dict)  # first word: last word, flags of the whole

    def __len__(self) -> int:
        return len(self.keys)

    def gap(self, left: int) -> str:
        """What stands between a word and the next one; a line end behind the last."""
        return (
            self.text[self.stops[left] : self.starts[left + 1]]
            if left + 1 < len(self.keys)
            else self.text[self.stops[left] :] + "\n"
        )

    def before(self, place: int) -> str:
        """What stands between a word and the one before it."""
        return self.text[self.stops[place - 1] if place else 0 : self.starts[place]]

    def begins(self, place: int) -> bool:
        """Whether a sentence begins here, so that a capital says nothing."""
        return place == 0 or SENTENCE_END.search(self.before(place)) is not None

    def is_foreign(self, place: int) -> bool:
        """Whether the lower-case words around are mostly no English ones."""
        low = max(0, place - 4)
        near = [
            flags for flags, shape in zip(self.flags[low : place + 5], self.shapes[low : place + 5], strict=True) if shape == LOWER
        ]
        return sum(not flags & ORDINARY for flags in near) * 2 > len(near) > 2

    def key(self, place: int) -> str:
        return self.keys[place] if 0 <= place < len(self.keys) else ""

    def cue(self, place: int) -> int:
        return self.cues[place] if 0 <= place < len(self.cues) else 0

    def flag(self, place: int) -> int:
        return self.flags[place] if 0 <= place < len(self.flags) else 0

    def capital(self, place: int) -> bool:
        """A capital that means something: not in a text that is all capitals."""
        return 0 <= place < len(self.keys) and (self.shapes[place] == TITLE or (self.shapes[place] == UPPER and not self.shouting))


def read_words(text: str) -> Words:
    known = lexicon().flags
    starts: list[int] = []
    ends: list[int] = []
    stops: list[int] = []
    keys: list[str] = []
    shapes: list[int] = []
    flags: list[int] = []
    pattern = MARKED_WORD if not text.isascii() and MARK.search(text) else WORD
    for match in pattern.finditer(text):
        word = match.group()
        start, stop = match.span()
        key = fold(word)
        end = stop
        if key.endswith("'s") and key not in CONTRACTIONS and len(key) > 2:
            key, end = key[:-2], stop - 2
        flag = known.get(key)
        if flag is None or flag == CITY:
            key, end, flag = spelled_otherwise(key, end, flag, known)
        flags.append(flag)
        starts.append(start)
        ends.append(end)
        stops.append(stop)
        keys.append(key)
        shapes.append(LOWER if word[0].islower() else UPPER if end - start > 1 and word[: end - start].isupper() else TITLE)
    shouting = shapes.count(UPPER) * 2 > len(shapes) and len(shapes) >= 4
    cues = [CUES.get(key, 0) for key in keys]
    words = Words(text, starts, ends, stops, keys, shapes, flags, cues, shouting, DIGIT.search(text) is not None)
    mark_phrases(words)
    return words


def spelled_otherwise(key: str, end: int, flag: int | None, known: Mapping[str, int]) -> tuple[str, int, int]:
    """A word that no list has: "sarahs" for "Sarah's", "sarahhh" for "sarah". Key, end and flags."""
    if key.endswith("s") and known.get(key[:-1], 0) & (COMMON | ORDINARY) == COMMON:
        return key[:-1], end - 1, known[key[:-1]]
    if flag is not None:
        return key, end, flag
    short = DRAWN_OUT.sub(r"\1", key)
    return (short, end, known[short]) if short != key and short in known else (key, end, 0)


def mark_phrases(words: Words) -> None:
    """Words of a known phrase get the flags of the whole, so that "Taylor Swift" is no Taylor and "New York" is no York."""
    phrases = lexicon().phrases
    for place, key in enumerate(words.keys):
        for rest, flags in phrases.get(key, ()):
            end = place + len(rest)
            if words.keys[place + 1 : end + 1] == list(rest) and all(words.gap(k) in JOINTS for k in range(place, end)):
                words.phrases[place] = (end, flags)
                if flags & (PUBLIC | BRAND):
                    words.flags[place : end + 1] = [PUBLIC | ORDINARY] * (len(rest) + 1)
                break
