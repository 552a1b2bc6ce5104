"""Dates: a text in; days, months with a year, and years that belong to somebody's life, out.

A weekday, a time or "last summer" narrows nobody down. A year alone counts where the sentence is about a person, not in "founded in
1946".
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import fold
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

ENGLISH = (
    "jan(?:uary)?|feb(?:ruary|uary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
FOREIGN = (
    "januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|mars|avril|juin|juillet|août|septembre|"
    "octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|"
    "junio|julio|agosto|septiembre|octubre|noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|"
    "settembre|ottobre|dicembre|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|dezembro"
)
MONTH = rf"(?:{ENGLISH}|{FOREIGN})\b\.?"
UNITS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
SPELLED_DAY = (
    rf"(?:(?:twenty|thirty)[ -](?:{UNITS})|{UNITS}|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|"
    rf"seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
)
ORDINAL = r"(?:3[01]|[12]\d|0?[1-9])(?:\s?(?:st|nd|rd|th))"
DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:\s?(?:st|nd|rd|th))?"
YEAR = r"(?:(?:19|20)\d\d|[’']\d\d)"
WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tues?|wed|thur?s?|fri|sat|sun)\b[.,]?\s+(?:the\s+)?"
TAIL = rf"(?:,?\s+(?:of\s+|in\s+|de\s+|del\s+)?{YEAR}\b|,?\s+\d\d\b(?!\s*[:%\w]))?"
DAY_MONTH = (
    rf"(?:{WEEKDAY})?(?:the\s+)?(?:{DAY}\b\.?|{SPELLED_DAY})\s*(?:-|of\s+|de\s+)?\s*{MONTH}(?:[-\s]?)(?:(?:[,\s]|of|in|"
    rf"de|-)*(?:{YEAR})\b)?"
)
MONTH_DAY = rf"(?:{WEEKDAY})?{MONTH}\s+(?:the\s+)?(?:{DAY}\b(?![:%.]\d)|{SPELLED_DAY})(?:(?:,\s*|\s+|\s+of\s+|\s+in\s+){YEAR}\b)?"
MONTH_YEAR = rf"(?:early |late |mid[- ])?{MONTH}\s*(?:of\s+|in\s+|,\s*|-)?\s*{YEAR}\b"
SEASON_YEAR = (
    rf"(?:spring|summer|autumn|fall|winter|christmas|xmas|easter|eid|diwali|ramadan|thanksgiving|halloween|new "
    rf"year'?s?|hanukkah)(?:\s+(?:day|eve|term|holidays?))?\s+(?:of\s+|in\s+)?{YEAR}\b"
)
HOLIDAY = r"(?:christmas|new year'?s?|boxing|valentine'?s)\s+(?:day|eve)(?:\s+(?:of\s+)?(?:19|20)\d\d\b)?"
SPELLED = re.compile(rf"(?<![\w-])(?:{DAY_MONTH}|{MONTH_DAY}|{MONTH_YEAR}|{SEASON_YEAR})(?!\w)", re.IGNORECASE)
ISO = r"(?:19|20)\d\d([-/.])(?:1[0-2]|0?[1-9])\1(?:3[01]|[12]\d|0?[1-9])(?:[T ]\d{1,2}:\d\d(?::\d\d)?Z?)?"
NUMERIC = r"(?:3[01]|[12]\d|0?[1-9])\s?([-/.])\s?(?:3[01]|[12]\d|0?[1-9])\s?\2\s?(?:(?:19|20)\d\d|[’']?\d\d)"
DIGITS = re.compile(rf"(?<![\w/.,-])(?:{ISO}|{NUMERIC})(?![\w/-]|[.,]\d)")
SHORT = re.compile(
    r"(?<![\w/.,:-])(?:3[01]|[12]\d|0?[1-9])[/.](?:1[0-2]|0?[1-9])(?![\w/%-]|[.,]\d)|(?<![\w/.,:-])(?:1[0-2]|"
    r"0?[1-9])/(?:3[01]|[12]\d|0?[1-9])(?![\w/%-]|[.,]\d)"
)
SHORT_CUE = re.compile(
    r"\b(?:dob|d\.o\.b\.?|born|birthday|bday|b-day|birth|date|dated|on|since|until|till|by|from|due|anniversary|"
    r"wedding|funeral|died|appt|appointment|exam)\b[^\d\n.!?]{0,14}$",
    re.IGNORECASE,
)
ALONE = re.compile(r"(?<![\w/.,$£€#+-])(?:19[2-9]\d|20[0-3]\d)(?![\w/%-]|[.,:]\d)")
YEAR_CUE = re.compile(
    r"\b(?:in|since|until|till|from|back in|around|about|during|after|before|by|class of|circa|early|late|mid|of|year|"
    r"born|b\.|died|and|to|or|for|between|summer|spring|winter|autumn|"
    r"graduated|married|diagnosed)[ (-]*$",
    re.IGNORECASE,
)
MONTH_WORDS = word_set(
    """
    jan january feb february febuary mar march apr april may jun june jul july aug august sep sept september oct october nov
    november dec december spring summer autumn fall winter christmas xmas easter eid diwali ramadan thanksgiving halloween year
    years hanukkah
    """
) | frozenset(map(fold, FOREIGN.split("|")))
VERB_MONTHS = frozenset(("may", "mar", "march", "dec", "sun", "mars", "mai", "juin", "mayo"))


def find_dates(words: Words) -> Iterator[Identifier]:
    text = words.text
    if not MONTH_WORDS.isdisjoint(words.keys):
        for match in SPELLED.finditer(text):
            if is_calendar(match.group(), text, match.start()):
                end = match.start() + len(match.group().rstrip(" ,.-"))
                yield Identifier(match.start(), end, "date", 0.93)
    if not words.has_digits:
        return
    for match in DIGITS.finditer(text):
        yield Identifier(*match.span(), "date", 0.93)
    for match in SHORT.finditer(text):
        if SHORT_CUE.search(text, max(0, match.start() - 26), match.start()) and match.group() != "24/7":
            yield Identifier(*match.span(), "date", 0.7)
    for match in ALONE.finditer(text):
        if YEAR_CUE.search(text, max(0, match.start() - 14), match.start()) and is_personal(words, match.start(), match.end()):
            yield Identifier(*match.span(), "date", 0.6)


def is_date(piece: str) -> bool:
    return DIGITS.fullmatch(piece.strip()) is not None


def is_calendar(found: str, text: str, start: int) -> bool:
    """ "may 2 people come" and "march 3 miles" are no dates."""
    lower = found.lower()
    month = next((word for word in re.findall(r"[^\W\d_]+", lower) if word in VERB_MONTHS), "")
    if month and not re.search(r"(?:19|20)\d\d|\d\s?(?:st|nd|rd|th)\b|\bof\b|\bthe\b", lower):
        before = text[max(0, start - 12) : start].lower()
        capital = re.search(rf"\b{month.capitalize()}\b", found) is not None
        return (
            capital
            or re.search(r"\b(?:on|since|until|till|by|from|in|of|after|before|last|this|next)\s+$", before) is not None
            or bool(re.match(r"\d", found))
        )
    return True
