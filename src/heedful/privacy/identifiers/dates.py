"""Dates: a text in; days, months with a year, and years that belong to somebody's life, out.

A weekday, a time, a month alone or "last summer" narrows nobody down; nor does a year, unless somebody was born in it.
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import fold
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
DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:\s?(?:st|nd|rd|th))?"
YEAR = r"(?:(?:19|20)\d\d|[’']\d\d)"
DAY_MONTH = (
    rf"(?:{DAY}\b\.?|{SPELLED_DAY})\s*(?:-|of\s+|de\s+)?\s*{MONTH}(?:[-\s]?)(?:(?:[,\s]|of|in|"
    rf"de|-)*(?:{YEAR})\b)?"
)
MONTH_DAY = rf"{MONTH}\s+(?:the\s+)?(?:{DAY}\b(?![:%.]\d)|{SPELLED_DAY})(?:(?:,\s*|\s+|\s+of\s+|\s+in\s+){YEAR}\b)?"
MONTH_YEAR = rf"{MONTH}\s*(?:of\s+|in\s+|,\s*|-)?\s*{YEAR}\b"
SEASON_YEAR = (
    rf"(?:spring|summer|autumn|fall|winter|christmas|xmas|easter|eid|diwali|ramadan|thanksgiving|halloween|new "
    rf"year'?s?|hanukkah)(?:\s+(?:day|eve|term|holidays?))?\s+(?:of\s+|in\s+)?{YEAR}\b"
)
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
    r"\b(?:born|b\.|class of|dob|birth year|year of birth|graduated)(?:\s+(?:in|around|back in|year))?[\s:(]*$", re.IGNORECASE
)
MONTH_WORDS = word_set(
    """
    jan january feb february febuary mar march apr april may jun june jul july aug august sep sept september oct october nov
    november dec december spring summer autumn fall winter christmas xmas easter eid diwali ramadan thanksgiving halloween year
    hanukkah
    """
) | frozenset(map(fold, FOREIGN.split("|")))
ORDINAL_WORDS = word_set(
    """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth
    seventeenth eighteenth nineteenth twentieth thirtieth
    """
)
VERB_MONTHS = frozenset(("may", "mar", "march", "dec", "sun", "mars", "mai", "juin", "mayo"))


def find_dates(words: Words) -> Iterator[Identifier]:
    for match in spelled_dates(words):
        if is_calendar(match.group(), words.text, match.start()):
            yield Identifier(match.start(), match.start() + len(match.group().rstrip(" ,.-")), "date", 0.93)
    yield from (Identifier(*match.span(), "date", 0.93) for match in words.near_digits(DIGITS))
    for pattern, cue, score in ((SHORT, SHORT_CUE, 0.7), (ALONE, YEAR_CUE, 0.6)):
        for match in words.near_digits(pattern):
            if cue.search(words.text, max(0, match.start() - 26), match.start()) and match.group() != "24/7":
                yield Identifier(*match.span(), "date", score)


def spelled_dates(words: Words) -> Iterator[re.Match[str]]:
    """Dates with the name of a month; a day that is a word too ("third of March") is rare, so it is looked for only on a sign."""
    if MONTH_WORDS.isdisjoint(words.present):
        return
    yield from words.near_digits(SPELLED)
    if not ORDINAL_WORDS.isdisjoint(words.present):
        yield from SPELLED.finditer(words.text)


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
