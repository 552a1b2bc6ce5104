"""Words: a text in; its words with offsets, lower-case keys and what the lexicon knows of each, out. One pass for all recognizers.

A possessive ending is no part of a word: "Sarah's" is the word "Sarah".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from heedful.privacy.identifiers.cues import CUES
from heedful.privacy.identifiers.lexicon import (
    BRAND,
    CITY,
    COMMON,
    GIVEN,
    MARK,
    MARKED_WORD,
    ORDINARY,
    PUBLIC,
    REGION,
    WORD,
    fold,
    lexicon,
)
from heedful.privacy.identifiers.terms import word_set

LOWER, TITLE, UPPER = 0, 1, 2
FOREIGN_REACH = 6  # words to each side
SENTENCE_END = re.compile(r"[.!?¿¡:;\n\r\"“”•*|>]|\s[-–—]\s")
JOINTS = frozenset((" ", "-", "'", "’", ". ", " - "))
DRAWN_OUT = re.compile(r"(.)\1{2,}$")
DIGITS = re.compile(r"\d[\d .,/:-]*")
BEFORE_DIGITS, AFTER_DIGITS = 110, 90  # characters
# Frequent words of other languages, none of them an English word or a name.
FOREIGN = word_set(
    """
    que los una como pero por para con esta este muy mas más tengo estoy soy eres puedo puedes porque cuando donde hola gracias
    je suis est une les des pour avec dans mais sur pas nous vous ich bin ist nicht und der die das mit ein eine auf wir sie nao não
    uma com meu minha eu che non della asi aun nada gusta vida bien todo todos hacer ser tiene siento siempre nunca mucho hijo hija
    esposo esposa novia novio padre madre mama papa anos dia dias cosas tiempo persona personas ayuda hace sobre entre desde
    moi mon mes ma mais suis fait tres bien kann habe sehr auch meine mein aber wenn wie
    """
) - word_set("die das mi las ma mama papa")
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
    present: frozenset[str]  # all keys
    windows: list[tuple[int, int]]  # where digits are
    phrases: dict[int, tuple[int, int]] = field(default_factory=dict)  # first word: last word, flags of the whole

    @property
    def has_digits(self) -> bool:
        return bool(self.windows)

    def near_digits(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Matches of a pattern that needs a digit, looked for only where there are some."""
        for start, end in self.windows:
            yield from pattern.finditer(self.text, start, end)

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
        """Whether the lower-case words around are no English ones: more of them in no list than in the dictionary."""
        low, high = max(0, place - FOREIGN_REACH), place + FOREIGN_REACH + 1
        near = [flags for flags, shape in zip(self.flags[low:high], self.shapes[low:high], strict=True) if shape == LOWER]
        unknown = near.count(0) + sum(key in FOREIGN for key in self.keys[low:high])
        return unknown >= 3 and unknown >= sum(flags & ORDINARY for flags in near)

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
    """Whole lists at a time, for this is the loop that every word of every text goes through."""
    known = lexicon().flags
    pattern = MARKED_WORD if not text.isascii() and MARK.search(text) else WORD
    spans = [match.span() for match in pattern.finditer(text)]
    raw = [text[start:stop] for start, stop in spans]
    keys = [fold(word) for word in raw]
    ends = [stop for _, stop in spans]
    if "'" in text or "’" in text:
        for place, key in enumerate(keys):
            if key.endswith("'s") and key not in CONTRACTIONS and len(key) > 2:
                keys[place], ends[place] = key[:-2], ends[place] - 2
    flags = [known.get(key, CITY) for key in keys]
    for place, flag in enumerate(flags):
        if flag in (CITY, ORDINARY):
            keys[place], ends[place], flags[place] = spelled_otherwise(keys[place], ends[place], known)
    shapes = [
        LOWER if word[0].islower() else UPPER if word[1:2].isupper() and word.rstrip("s’'").isupper() else TITLE for word in raw
    ]
    words = Words(
        text=text,
        starts=[start for start, _ in spans],
        ends=ends,
        stops=[stop for _, stop in spans],
        keys=keys,
        shapes=shapes,
        flags=flags,
        cues=[CUES.get(key, 0) for key in keys],
        shouting=len(shapes) >= 4 and shapes.count(UPPER) * 2 > len(shapes),
        present=frozenset(keys),
        windows=digit_windows(text),
    )
    mark_phrases(words)
    return words


def digit_windows(text: str) -> list[tuple[int, int]]:
    """Where there are digits, with as much text around them as any rule about numbers looks at. Bounds lie between words."""
    windows: list[tuple[int, int]] = []
    for match in DIGITS.finditer(text):
        start, end = match.start() - BEFORE_DIGITS, match.end() + AFTER_DIGITS
        start = 0 if start <= 0 else text.rfind(" ", 0, start) + 1
        space = text.find(" ", end) if end < len(text) else -1
        end = len(text) if space < 0 else space
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(end, windows[-1][1]))
        else:
            windows.append((start, end))
    return windows


def spelled_otherwise(key: str, end: int, known: Mapping[str, int]) -> tuple[str, int, int]:
    """A word that no list has: "sarahs" for "Sarah's", "sarahhh" for "sarah". Key, end and flags."""
    if key.endswith("s") and not key.endswith("ies") and known.get(key[:-1], 0) & (COMMON | ORDINARY) == COMMON:
        return key[:-1], end - 1, known[key[:-1]]
    if key.endswith("s") and len(key) >= 6 and key not in known and known.get(key[:-1], 0) & (GIVEN | ORDINARY) in (4, 8, 12):
        return key[:-1], end - 1, known[key[:-1]]  # "ollies hoodie"
    if key in known:
        return key, end, known[key]
    short = DRAWN_OUT.sub(r"\1", key)
    return (short, end, known[short]) if short != key and len(short) >= 3 and short in known else (key, end, 0)


def mark_phrases(words: Words) -> None:
    """Words of a known phrase get the flags of the whole, so that "Taylor Swift" is no Taylor and "New York" is no York."""
    phrases = lexicon().phrases
    for place in [place for place, key in enumerate(words.keys) if key in phrases]:
        for rest, flags in phrases[words.keys[place]]:
            end = place + len(rest)
            if tuple(words.keys[place + 1 : end + 1]) == rest and all(words.gap(k) in JOINTS for k in range(place, end)):
                words.phrases[place] = (end, flags)
                if flags & (PUBLIC | BRAND):
                    words.flags[place : end + 1] = [PUBLIC | ORDINARY | (flags & BRAND)] * (len(rest) + 1)
                elif not words.flags[place] & GIVEN:  # Anna Maria is a town too, but more often a person
                    words.flags[place : end + 1] = [flag | REGION for flag in words.flags[place : end + 1]]
                break
