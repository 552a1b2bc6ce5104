"""Places: the words of a text in; towns, regions and countries that are somebody's, out.

A town by its name in the lists, or any word behind "live in". A country or a region counts where the sentence is about somebody.
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import EPONYM, FUNCTION, KIN, PLACED, SAYS, TIME
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import (
    BRAND,
    CITY,
    COUNTRY,
    FREQUENT,
    GIVEN,
    LARGE,
    ORDINARY,
    PLACE,
    PUBLIC,
    REGION,
    SURNAME,
)
from heedful.privacy.identifiers.name_unknown import is_unknown
from heedful.privacy.identifiers.postcodes import US_STATES
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import FOREIGN, TITLE, UPPER, Words

LIVING = word_set(
    """
    live lives lived living born raised grew grow based moved moving move relocated relocating relocate settled staying stay
    stayed reside resides residing resident fled deported emigrated immigrated migrated from near nr home back originally
    hometown village town city house flat apartment place stuck drove flew travelled traveled trip travel visiting visit visited
    homeless funeral wedding uni university college hospital airport station job work working studying
    """
)
OWNERS = word_set("my his her our their your a an this that")
STRONG = word_set(
    """
    live lives lived living born raised grew based moved moving relocated settled reside resides residing flat house emigrated
    hometown village town originally deported stuck
    """
)
SMALL = word_set(
    """
    little great upper lower north south east west new old st saint mount port fort lake el la las los san santa santo sao san
    the st. nether bishops kings royal isle
    """
)
NO_PLACE = word_set(
    """
    bed love hospital therapy fear pain school church prison jail care debt trouble denial tears bits pieces hell heaven shock
    silence peace public private person general particular fact front town cash sobriety recovery rehab limbo constant total and
    or a
    """
)
PEOPLE = (
    "girl",
    "guy",
    "man",
    "woman",
    "male",
    "female",
    "m",
    "f",
    "student",
    "boy",
    "lad",
    "mum",
    "mom",
    "dad",
    "teen",
    "yo",
    "kid",
    "lady",
    "nurse",
    "teacher",
    "here",
)
STATES = frozenset(US_STATES.split("|"))
WENT = word_set(
    """
    returned return returning flew fly flying drove travelled traveled travelling move moved moving relocated deported went going
    back
    """
)
INTRODUCTION = re.compile(r"[^.!?\n\d]{0,30}[.,]?\s?\b[1-9]\d\b[^.!?\n\d]{0,25},\s$")  # "Bartek here. 34, builder, Slough"
GAP = re.compile(r" (?:\d{2,5}(?:-\d{3})? )?")


def find_places(words: Words) -> Iterator[Identifier]:
    place = 0
    while place < len(words):
        last, score = place_at(words, place)
        if score:
            last = with_state(words, last)
            yield Identifier(words.starts[place], words.ends[last], "place", score)
            place = last + 1
        else:
            place += 1


def with_state(words: Words, last: int) -> int:
    """ "Chicago, IL" and "Portland, Oregon" are one place."""
    after = last + 1
    if words.gap(last) != ", " or after >= len(words):
        return last
    code = words.shapes[after] == UPPER and words.text[words.starts[after] : words.stops[after]] in STATES
    if code or (words.flags[after] & REGION and words.capital(after)):
        return words.phrases[after][0] if after in words.phrases else after
    return last


def place_at(words: Words, place: int) -> tuple[int, float]:
    """Last word and score of the place that begins here; a score of 0 when none does."""
    phrase = words.phrases.get(place)
    if phrase and phrase[1] & PLACE:
        return phrase[0], of_list(words, place, phrase[0], phrase[1])
    flags = words.flags[place]
    if words.keys[place] in FOREIGN:
        return place, 0.0
    if flags & PLACE:
        last = further_capitals(words, place) if words.capital(place) and cue_before(words, place) == 2 else place
        score = of_list(words, place, last, flags)
        if score:
            return last, score
    cue = cue_before(words, place)
    if cue == 2 and not words.cues[place] & (FUNCTION | TIME | KIN):
        return unlisted(words, place)
    if (
        cue
        and flags == 0
        and words.key(place - 1) == "in"
        and words.shapes[place] == TITLE
        and is_personal(words, words.starts[place], words.ends[place])
    ):
        return further_capitals(words, place), 0.65
    return place, 0.0


def cue_before(words: Words, place: int) -> int:
    """2: "live in"; 1: a bare "in", "from", "near"; 0: nothing."""
    back = place - 1
    while (
        back >= 0
        and words.keys[back]
        in (
            "the",
            "rural",
            "central",
            "downtown",
            "inner",
            "a",
            "greater",
            "nearby",
            "sunny",
            "mid",
            "just",
            "outside",
            "now",
            "upstate",
        )
        and words.gap(back) == " "
    ):
        back -= 1
    if back < 0 or not words.cues[back] & PLACED or not GAP.fullmatch(words.gap(back)) or words.keys[back] in ("of", "for"):
        return 0
    earlier = [words.key(back - k) for k in (1, 2, 3)]
    if words.keys[back] in ("from", "near", "nr") and words.key(back - 1) in (
        "i'm",
        "am",
        "im",
        "is",
        "are",
        "was",
        "were",
        "originally",
        "here",
        "come",
        "comes",
        "came",
        "family",
        "he's",
        "she's",
        "all",
        "back",
        *PEOPLE,
    ):
        return 2
    if words.keys[back] == "to" and earlier[0] in WENT:
        return 2
    return (
        2
        if any(word in STRONG for word in earlier)
        and words.keys[back] in ("in", "to", "from", "near", "nr", "outside", "around", "at")
        else 1
    )


def of_list(words: Words, place: int, last: int, flags: int) -> float:
    cue, capital = cue_before(words, place), words.capital(place)
    if words.cue(last + 1) & EPONYM and words.capital(last + 1) and words.gap(last) == " ":
        return 0.0
    if flags & (COUNTRY | REGION):
        known = capital or not flags & ORDINARY or cue == 2
        follows = (words.before(place) == ", " and words.flag(place - 1) & PLACE) or words.cue(place - 1) & EPONYM
        personal = cue == 2 or follows or is_personal(words, words.starts[place], words.ends[last])
        return 0.8 if known and personal and not (flags & PUBLIC and not capital) else 0.0
    if flags & PUBLIC or (cue == 0 and last == place and words.key(place - 1) in OWNERS and words.before(place) == " "):
        return 0.0
    if words.cues[place] & (FUNCTION | TIME | SAYS) and cue < 2 and last == place:
        return 0.0
    return town(words, place, last, flags, cue, capital)


def town(words: Words, place: int, last: int, flags: int, cue: int, capital: bool) -> float:
    """Towns that are words or names too need a cue; "in Bath" is one, "in bath" is none."""
    phrase, ordinary, named = last > place, flags & ORDINARY, flags & (GIVEN | SURNAME)
    if phrase and all(words.flags[k] & ORDINARY for k in range(place, last + 1)):
        ordinary = ORDINARY
    if cue == 2 and (capital or not ordinary) and not (words.is_foreign(place) and not capital):
        return 0.85
    if words.is_foreign(place) and not (capital and cue):
        return 0.0
    if capital:
        after_comma = words.before(place) == ", " and (
            words.flag(place - 1) & PLACE
            or words.cue(place - 1) & EPONYM
            or words.key(place - 1) in ("island", "road", "town")
            or words.text[: words.starts[place] - 2].rstrip()[-1:].isdigit()
            or INTRODUCTION.match(words.text, 0, words.starts[place]) is not None
        )
        if cue and not (ordinary and words.begins(place)):
            return 0.8
        return 0.75 if after_comma or not (ordinary or named) else 0.0
    if ordinary or (named and not cue):
        return 0.0
    return 0.75 if cue or phrase or (flags & LARGE and not named) else 0.0


def further_capitals(words: Words, place: int) -> int:
    """ "Stoke Newington", "Little Snoring": capitals that go on."""
    last = place
    while (
        words.gap(last) in (" ", "-", "'")
        and words.capital(last + 1)
        and not words.cue(last + 1) & (FUNCTION | TIME)
        and last - place < 3
        and words.stops[last] == words.ends[last]
    ):
        last += 1
    if (
        words.gap(last) in ("-", " ")
        and (words.gap(last) == "-" or words.key(last + 1) not in ("in", "am", "an", "do"))
        and words.key(last + 1)
        in ("on", "upon", "under", "in", "le", "by", "nad", "am", "an", "der", "sur", "les", "de", "do", "del", "la")
        and words.capital(last + 2)
    ):
        last += 2
    return last


def unlisted(words: Words, place: int) -> tuple[int, float]:
    """A word that no list has, behind "live in"."""
    flags = words.flags[place]
    if words.capital(place):
        last = further_capitals(words, place)
        if flags & (PUBLIC | BRAND) and last == place:
            return place, 0.0
        return last, 0.8
    if flags & ORDINARY or words.keys[place] in NO_PLACE:
        return place, 0.0
    if is_unknown(words, place) and len(words.keys[place]) >= 4:
        last = place + 1 if is_unknown(words, place + 1) and words.gap(place) == " " else place
        return last, 0.7
    return place, 0.7 if flags & SURNAME and not flags & (FREQUENT | GIVEN) else 0.0


__all__ = ["CITY", "LIVING", "SMALL", "find_places"]
