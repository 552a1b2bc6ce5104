"""Phones: a run of digits, or of spelled digits, in; whether it is somebody's telephone number, out.

Lines that anyone may call are nobody's: emergency and crisis lines, toll-free and shared-cost numbers, numbers that stand beside
the word "helpline" or in the address block of an organisation.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

from heedful.privacy.identifiers.cues import PERSONAL
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

REGIONS = ("GB", "US", "IN", "NG", "DE", "FR", "PL", "ES", "IT", "IE", "NL", "AU", "ZA", "KE", "GH", "PK", "BR", "MX", "CN")
CUE = re.compile(
    r"\b(?:phone|telephone|tel|call(?:ed|ing|s)?|text(?:ed|ing|s)?|txt|ring|rang|mobile|mob|cell(?:phone)?|"
    r"whats\s?app|wa|number|nr|no|contact|reach|fax|dial|landline|digits|msg|message|"
    r"desk|office|home|work|sms|viber|signal|telegram|num|handy|numero|phone\s?no)\b[^\d\n]{0,30}$",
    re.IGNORECASE,
)
SHAPE = re.compile(
    r"\+\d[\d ().\-–/]{6,}|\(?0\d{2,4}\)?[ .\-–/]\d{3,4}[ .\-–/]?\d{3,5}|0\d{9,10}|\(\d{2,4}\) ?\d{3,4}[ "
    r".\-–]?\d{3,4}|(?:00)?1?[ .\-–]?\(?[2-9]\d{2}\)?[ .\-–]\d{3}[ .\-–]\d{4}|"
    r"0\d{4} \d{6}|0\d{4} \d{3} \d{3}|0\d(?: \d{2}){4}|0\d{2} \d{4} \d{4}|\d{3}[-. ]\d{3}[-. ]\d{4}|\d{5} \d{5}|"
    r"0\d{3}[ -]\d{3}[ -]\d{4}|00\d{2,3}[ \-.]\d[\d \-.]{6,}",
    re.IGNORECASE,
)
EXTENSION = re.compile(r"\s?(?:x|ext\.?|extension)\s?\d{1,6}$", re.IGNORECASE)
OPEN_LINE = re.compile(
    r"(?:1?8(?:00|88|77|66|55|44|33)\d{7}|(?:44|0)(?:80[08]\d{4,7}|(?:3\d\d|84\d|87\d)\d{7}|84[45]\d{4,6})|1[38]00\d{4,7}|13\d{4}|116\d{3}|"
    r"0?8457909090|741741|85258|686868|85258|18002738255|131114|1860\d{7}|1850\d{6})"
)
OWN_BEHIND = re.compile(
    r",?\s(?:call|text|ring|txt|whatsapp|message)\s(?:me|us)\b|\s?(?:is|are|'s|was)\s(?:my|his|her|their|our|the)\b[^.!?\n]{0,20}\b(?:number|mobile|cell|phone|line|whatsapp)\b",
    re.IGNORECASE,
)
# Lines for people in danger that have a mobile number and stand in no table of ours: iCall, AASRA, Vandrevala, MANI, SURPIN, Umang.
# Compared on 2026-11-20 with what other projects publish under these names; never shown to anybody, only left as they stand.
MOBILE_LINES = frozenset(("9152987821", "9820466726", "9999666555", "8091116264", "9080217555", "3117786264"))
LINE_WORDS = re.compile(
    r"hot\s?line|help\s?line|life\s?line|crisis|samaritans|emergency (?:number|line|services)|toll.free|clearinghouse|"
    r"childline|switchboard|"
    r"freephone|advice line|support line|textline|text line",
    re.IGNORECASE,
)
ORGANISATION = re.compile(
    r"\b(?:Institutes?|Cent(?:er|re)s?|Clearinghouse|Association|Foundation|Society|Program(?:me)?|Department|Service|"
    r"Office|Administration|University|Council|Network|TTY|Phone:|Fax:|Internet:)\b"
)
MINE = re.compile(r"\b(?:my|me|mine|her|his|him|their|our)\b", re.IGNORECASE)
# "o7700 9oo 123": a letter in place of noughts.
LETTER_O = re.compile(r"(?<![\w.])(?:[oO]7|0[7o]|[oO][1-9])(?:[ -]?[\doO]){8,10}(?!\w)")
LOCAL = re.compile(r"(?<![\w.,$£€/-])[2-9]\d{2}-\d{4}(?![\w-]|[.,/:]\d|\s?(?:mg|ml|cal|kcal|steps|words|people|dollars|a\s)\b)")
DIGIT_WORDS = word_set(
    """
    zero oh o nought naught one two three four five six seven eight nine double triple treble
    """
)
TENS = word_set("ten twenty thirty forty fifty sixty seventy eighty ninety hundred thousand eleven twelve fifteen and")
COUNTING = " one two three four five six seven eight nine nine eight seven six five four three two one "


def is_cued(text: str, start: int) -> bool:
    return CUE.search(text, max(0, start - 45), start) is not None


@cache
def published_lines() -> frozenset[str]:
    """Digits of every number in the bundled table of lines for people in danger, which anyone may call."""
    table = files("heedful").joinpath("assets/guards/resources.yaml").read_text(encoding="utf-8")
    values = re.findall(r"\b(?:phone|text):\s*\"([^\"]+)\"", table)
    return MOBILE_LINES | {digits for value in values if len(digits := re.sub(r"\D", "", value)) >= 5}


def is_said(text: str, start: int, end: int) -> bool:
    """ "my number is ...", "... is my mobile"."""
    return is_cued(text, start) or OWN_BEHIND.match(text, end) is not None


def is_phone(piece: str, text: str, start: int) -> bool:
    bare = EXTENSION.sub("", piece)
    digits = re.sub(r"\D", "", bare)
    groups = re.findall(r"\d+", bare)
    pairs = bare[0] in "0+" and len(digits) >= 9 and set(map(len, groups)) <= {1, 2}  # "06 12 34 56 78"
    pairs = pairs or (set(map(len, groups)) == {1} and len(digits) >= 9 and is_said(text, start, start + len(piece)))
    if pairs and len(digits) <= 13 and not is_open_line(digits, text, start, start + len(piece)):
        return True
    if not 6 <= len(digits) <= 15 or len(digits) < 2.2 * len(groups) or is_open_line(digits, text, start, start + len(piece)):
        return False
    if bare.startswith("+") and len(digits) >= 8:
        return True
    if len(digits) >= 7 and is_said(text, start, start + len(piece)):
        return True
    return SHAPE.fullmatch(bare) is not None or (len(digits) >= 9 and len(groups) <= 5 and is_valid(digits, bare))


def is_open_line(digits: str, text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 90) : start]
    mine = MINE.search(before[-35:]) is not None
    if digits in published_lines() or (len(digits) > 10 and digits[-10:] in published_lines()):
        return True
    if OPEN_LINE.fullmatch(digits):
        return not mine
    if LINE_WORDS.search(before[-60:]) or LINE_WORDS.search(text, end, end + 30):
        return not mine
    around = before + text[end : end + 60]
    return ORGANISATION.search(around) is not None and not any(
        word in PERSONAL_WORDS for word in re.findall(r"[a-z']+", around.lower())
    )


def is_valid(digits: str, bare: str) -> bool:
    """Whether the number is assigned in one of the regions, and written as one: with a leading 0, or in groups."""
    if not (digits.startswith("0") or len(re.findall(r"\d+", bare)) > 1 or len(digits) == 10):
        return False
    return any(is_valid_in(digits, region) for region in REGIONS)


@lru_cache(maxsize=16_384)  # words of people: a server that runs for months must not gather them
def is_valid_in(digits: str, region: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(digits, region)))
    except phonenumbers.NumberParseException:
        return False


def find_odd_phones(words: Words) -> Iterator[Identifier]:
    """With a letter for nought, and seven figures of an American town."""
    yield from (Identifier(*m.span(), "phone", 0.9) for m in words.near_digits(LETTER_O) if "o" in m.group().lower())
    yield from (
        Identifier(*m.span(), "phone", 0.6)
        for m in words.near_digits(LOCAL)
        if not m.group().endswith("00") and not is_open_line(re.sub(r"\D", "", m.group()), words.text, *m.span())
    )


def find_spelled_phones(words: Words) -> Iterator[Identifier]:
    """ "oh seven seven double oh ...": at least seven digit words in a row that do not just count."""
    if len(DIGIT_WORDS & words.present) < 3:
        return
    zeros = not {"oh", "zero", "double", "nought", "naught", "triple", "o"}.isdisjoint(words.present)
    digits = DIGIT_WORDS | TENS if zeros else DIGIT_WORDS
    place = 0
    while place < len(words):
        last = place
        while words.key(last) in digits and (last == place or words.gap(last - 1) in (" ", ", ", "-", " - ", ". ", "... ")):
            last += 1
        run = words.keys[place:last]
        while run and run[-1] == "and":
            run, last = run[:-1], last - 1
        if len(run) >= 7 and run[0] in DIGIT_WORDS and " ".join(run) not in COUNTING:
            yield Identifier(words.starts[place], words.ends[last - 1], "phone", 0.9)
        place = max(last, place + 1)


def personal_words() -> frozenset[str]:
    from heedful.privacy.identifiers.cues import CUES

    return frozenset(word for word, cue in CUES.items() if cue & PERSONAL)


PERSONAL_WORDS = personal_words()
