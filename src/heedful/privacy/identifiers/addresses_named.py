"""Addresses that have no number in figures, or no kind of street: words of a text in; such addresses out.

"on Kiln Lane", "twenty two acacia avenue", "the corner of 5th and Alvarado", "Rosewood Cottage, Mill Lane".
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import CUES, FUNCTION
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import FREQUENT, fold, lexicon
from heedful.privacy.identifiers.name_slots import DETERMINERS
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

UNNUMBERED = re.compile(
    r"(?<![\w'’])(?P<name>(?:(?:[A-Z][\w'’.-]+|\d{1,3}(?:st|nd|rd|th))\s){1,3})(?:Street|Road|Avenue|Lane|Crescent|Terrace|Boulevard|Close|Drive|"
    r"Court|Way|Gardens|Grove|Mews|Rd|Ave|St|Blvd|Estate)\b(?!\s?(?:Hospital|School|Surgery|Journal|[A-Z]))"
)


STREET_WORDS = word_set(
    """
    street road avenue lane crescent terrace boulevard close drive court way gardens grove mews rd ave blvd estate st ln dr ct
    parkway cottage house farm lodge vicarage rectory barn villa manor flats towers mansions
    """
)


HOUSE = re.compile(
    r"(?<![\w'’])[A-Z][a-z]{3,}(?:\s[A-Z][a-z]+)?,\s(?:[A-Z][\w'’.-]+\s){1,2}(?:Street|Road|Avenue|Lane|Crescent|Terrace|Close|Drive|Grove|Rd)\b|"
    r"(?<![\w'’])(?:(?:The|Flat \w{1,4},)\s)?(?:[A-Z][\w'’]+\s){0,3}(?:Cottage|House|Farm|Lodge|Vicarage|Rectory|Barn|Villa|Manor|"
    r"Court|Apartments|Towers|Mansions|Heights|Residency|Enclave),\s(?:[A-Z][\w'’.-]+\s){1,3}(?:Street|Road|Avenue|Lane|Crescent|Terrace|Close|"
    r"Drive|Way|Gardens|Grove|Hill|Rd|Ave)\b"
)


LIVES = (
    r"(?:live[sd]?|living|stay(?:s|ed|ing)?|moved|house|flat|home|place|grew up|born|sleeping|parked|office|"
    r"surgery|clinic|based|drop(?:ped)?|pick(?:ed)? (?:me|him|her|us) up|address|squat(?:ting)?|walk(?:ed|ing)?|meet|found|park)"
)
LOWER_STREET = re.compile(
    rf"\b{LIVES}\b(?:\s[^\W\d_]+){{0,3}}?\s(?:on|at|in|off|down|along|up|to|near|by|is)\s(?P<name>(?:[^\W_][\w'’-]*\s){{1,4}}?)"
    r"(?P<kind>street|road|avenue|ave|lane|crescent|terrace|blvd|boulevard|rd|close|court|gardens|grove|mews|parkway|ln|st|dr|ct)\b(?![’'-])",
    re.IGNORECASE,
)
TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
ONES = "one|two|three|four|five|six|seven|eight|nine"
SPELLED = re.compile(
    rf"\b(?:number\s)?(?:(?:(?:one|a)\shundred\s(?:and\s)?)?(?:{TENS})(?:[ -](?:{ONES}))?|(?:one|two|three)\shundred"
    rf"(?:\sand\s\w+)?|{ONES}|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen)"
    r"(?:\s?[a-d])?,?\s(?P<name>(?:[^\W\d_][\w'’-]*\s){1,3}?)"
    r"(?:street|road|avenue|lane|crescent|terrace|boulevard|close|court|gardens|grove|mews|rd|ave|blvd)\b",
    re.IGNORECASE,
)
CROSSING = re.compile(
    r"\b(?:corner|junction|intersection|crossroads)\s(?:of|between)\s(?P<one>[\w'’-]+(?:\s(?:st|street|rd|road|ave|avenue))?\s(?:and|&|n)\s[\w'’-]+"
    r"(?:\s(?:street|st|road|rd|ave|avenue|lane|blvd))?)|"
    r"\b(?:at|on|near|by|off)\s(?P<two>(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][a-z]+)\s(?:and|&)\s(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][a-z]+)"
    r"\s(?i:st|street|ave|avenue|road|rd|blvd)\b)|\b(?:at|on|near|by|off)\s(?P<three>\d{1,3}(?:st|nd|rd|th)\s(?:and|&)\s[A-Z][a-z]+)",
)
NAMED_HOUSE = re.compile(
    r"\b(?i:live[sd]? (?:at|in)|living (?:at|in)|address(?: is)?:?|home is|stay(?:ing|ed)? (?:at|in)|"
    r"moved (?:in)?to|based at)\s(?P<house>(?:The\s|the\s)?(?:[A-Z][\w'’]+\s){1,3}(?:Cottages?|House|Farm|Lodge|Vicarage|"
    r"Rectory|Barn|Villas?|Manor|Flats|Apartments|Towers?|Mansions|Court|Heights))\b"
)
# Streets that everyone knows, from songs, series and the news.
FAMOUS = word_set(
    "wall sesame coronation downing fleet harley abbey bourbon easy memory lois fear one dead penny albert ramsay high"
)


def find_named_addresses(words: Words) -> Iterator[Identifier]:
    text = words.text
    for low, high in windows(words):
        yield from (
            Identifier(*m.span(), "address", 0.91) for m in UNNUMBERED.finditer(text, low, high) if is_street_name(m, words)
        )
        yield from (Identifier(*m.span(), "address", 0.93) for m in HOUSE.finditer(text, low, high))
        yield from (Identifier(*m.span("house"), "address", 0.9) for m in NAMED_HOUSE.finditer(text, low, high))
        for match in LOWER_STREET.finditer(text, low, high):
            if is_name_of_street(match.group("name")):
                yield Identifier(match.start("name"), match.end("kind"), "address", 0.9)
        for match in SPELLED.finditer(text, low, high):
            if is_name_of_street(match.group("name")):
                yield Identifier(*match.span(), "address", 0.9)
    if words.has_digits or not CROSSING_WORDS.isdisjoint(words.present):
        yield from (Identifier(*match.span(match.lastgroup or 0), "address", 0.9) for match in CROSSING.finditer(text))


def windows(words: Words) -> Iterator[tuple[int, int]]:
    """Where a kind of street or house is named, with as much text around it as any rule here looks at."""
    last = 0
    if STREET_WORDS.isdisjoint(words.present):
        return
    for start, key in zip(words.starts, words.keys, strict=True):
        if key in STREET_WORDS and start >= last:
            low, high = max(last, start - 90), min(len(words.text), start + 70)
            last = high
            yield words.text.rfind(" ", 0, low) + 1 if low else 0, high


CROSSING_WORDS = word_set("corner junction intersection crossroads")


def is_street_name(match: re.Match[str], words: Words) -> bool:
    """ "Fernhill Road": not the High Street, not a street of a song, and at the beginning no two plain words."""
    names = [fold(word) for word in match.group("name").split()]
    if names[0] in FAMOUS or (len(names) > 1 and names[0] in DETERMINERS):
        return BEFORE_STREET.search(words.text, max(0, match.start() - 14), match.start()) is not None and names[0] not in FAMOUS
    if BEFORE_STREET.search(words.text, max(0, match.start() - 14), match.start()):
        return True
    return not all(lexicon().flags.get(name, 0) & FREQUENT for name in names)


BEFORE_STREET = re.compile(
    r"\b(?:on|at|of|down|up|along|off|in|to|near|from|by|past|towards|the corner of|and|outside|our|opposite)\s(?:the\s)?$",
    re.IGNORECASE,
)


def is_name_of_street(name: str) -> bool:
    """ "martin luther king", "elm"; not "my", "the busy", "a dead end"."""
    keys = [fold(word) for word in name.split()]
    if keys[0] in DETERMINERS or keys[0] in FAMOUS or any(CUES.get(key, 0) & FUNCTION for key in keys):
        return False
    return name[:1].isupper() or any(not lexicon().flags.get(key, 0) & FREQUENT for key in keys)
