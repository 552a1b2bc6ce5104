"""Stated ages: the words of a text in; numbers that are said to be somebody's age in words that could say other things too, out.

"My stepdad is 49" is an age and "my score is 49" is none: who or what is spoken of decides, and what follows the number.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import KIN
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import GIVEN, ORDINARY
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

ONES = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
NUMBER = rf"(?:[1-9]\d(?!\d)|[1-9](?!\d)|(?:{ONES}|(?:thir|four|fif|six|seven|eigh|nine)teen)\b)(?:\sand a half\b|½|\.5\b)?"
END = (
    r"(?=\s?(?:[,;!?)\n]|\.(?!\d)|$|(?:and|but|when|so|now|today|yet|this year|next (?:week|month|year)|with|who|btw|or|"
    r"maybe|at the time|"
    r"in (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*|on (?:mon|tue|wed|thu|fri|sat|sun)\w*|yrs\s?old|years old)\b"
    r"|\syrs$))"
)
ADVERBS = (
    r"(?:(?:only|just|now|about|nearly|almost|like|still|already|barely|roughly|around|maybe|both|not even|probably"
    r"|literally)\s){0,2}"
)
COPULA = re.compile(
    rf"(?:\b(?P<be>is|was|are|were|be|been|am|i'?m|im|he'?s|she'?s|they'?re|turned|turning|turns|turn)|['’]s)\s{ADVERBS}(?P<age>{NUMBER}){END}",
    re.IGNORECASE,
)
LOOSE = (
    # "me 24, him 27"
    re.compile(r"(?:^|[,(/]\s?|\band\s)(?:me|him|her)\s?:?\s?(?P<age>[1-9]\d)(?=\s?(?:[,.);!?\n]|$|and\b))", re.IGNORECASE),
    # "a boy of 15"
    re.compile(
        r"\b(?:boy|girl|man|woman|lad|lass|child|kid|son|daughter|lady|bloke|guy)\sof\s(?P<age>[1-9]\d?)(?!\d|\s?(?:my|the|%))",
        re.IGNORECASE,
    ),
    # "single dad 38"
    re.compile(
        r"\b(?:mum|mom|dad|wife|husband|bf|gf|boyfriend|girlfriend|sister|brother|partner|male|female)\s(?P<age>[1-9]\d)(?=\s?(?:[,.!?;)\n]|$))",
        re.IGNORECASE,
    ),
    # "(Marlon, 29)"
    re.compile(r"\([A-Z][\w'-]+,\s(?P<age>[1-9]\d?)(?=[),])"),
    # "came out at 45", "had her at 19": not a time of the day
    re.compile(
        r"(?<!\bus )\bat\s(?P<age>1[3-9]|[2-9]\d)(?=\s?(?:[,;!?)\n]|\.(?!\d)|$|(?:and|but|with|after|when)\b))", re.IGNORECASE
    ),
    # "by 20 i was in rehab"
    re.compile(
        r"\b(?:by|around|about|till|until|since)\s(?P<age>1[3-9]|[2-9]\d)(?=\s(?:i|he|she|we)\s(?:was|were|had|started|stopped|could|lost)\b)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:about|around|maybe|like)\s(?P<age>[1-9]\d?)(?=\s(?:maybe\s\d+\s)?when\s(?:i|he|she|we|it|they|my)\b)", re.IGNORECASE
    ),
    # "my 21st was ruined"
    re.compile(
        r"\b(?:my|his|her|our|their)\s(?P<age>(?:13|16|18|30|40|50|60|65|70|75|80|90|100)th|21st)(?=\s(?:is|was|bash|party|next|this|last|soon|in)\b|\s?[,.!?]|$)",
        re.IGNORECASE,
    ),
    re.compile(r"^\W*(?P<age>(?:(?:early|mid|late)[ -])?[2-9]0['’]?s)\b(?=[,.]|\s(?:and|but|male|female|here)\b)", re.IGNORECASE),
    re.compile(r"^\W*(?:almost|nearly|not|not even|just|only)\s(?P<age>[1-9]\d)(?=\s?(?:yet\b|[,.!?]|$))", re.IGNORECASE),
    re.compile(r"^(?P<age>[1-9]\d)(?=\s?&\s[a-z]{3,})", re.IGNORECASE),
    re.compile(r"\b(?:baby|son|daughter|twins|[A-Z][a-z]+)\s\((?P<age>\d{1,2}\s?(?:months?|weeks?|mo|wks?|mths?))\)"),
    re.compile(r"\b(?:older|younger)[^.!?\n\d]{0,12}[(,]\s?(?P<age>[1-9]\d)(?=\s?(?:[).,!?;\n]|$))", re.IGNORECASE),
    re.compile(
        r"(?:^|\b(?:my|and|our)\s(?:[a-z]+\s)?)(?!(?:January|February|March|April|May|June|July|August)\b)[A-Z][a-z]+,\s(?P<age>[1-9]\d?)(?=,\s[a-z])"
    ),
)
ALSO = re.compile(rf"\s(?:or|maybe|or maybe|and|,)\s?(?P<age>[1-9]\d?){END}", re.IGNORECASE)
NO_AGES = word_set(
    """
    it it's that this there score scores temp temperature weight bmi grade rate answer number level dose count pressure sugar price
    cost bill room size iq gpa mark marks percentage result total average speed limit anxiety depression pain mood chapter step week
    day night time rent page bus train floor amount budget rating reading hours minutes pulse heart session sessions question
    """
)
SUBJECTS = word_set(
    "i i'm im he she he's she's hes shes we they you who one we're they're me him her oldest youngest eldest middle"
)
REACH = 6  # words


def find_stated_ages(words: Words) -> Iterator[Identifier]:
    text = words.text
    for match in COPULA.finditer(text) if has_small_number(words) else words.near_digits(COPULA):
        if is_of_person(words, match):
            yield Identifier(*match.span("age"), "age", 0.68)
            yield from also(text, match.end("age"))
    for pattern in LOOSE:
        for match in words.near_digits(pattern):
            yield Identifier(*match.span("age"), "age", 0.66)


def also(text: str, end: int) -> Iterator[Identifier]:
    """ "8 or 9"."""
    if (more := ALSO.match(text, end)) is not None:
        yield Identifier(*more.span("age"), "age", 0.66)


def has_small_number(words: Words) -> bool:
    """Number words are frequent, so they are looked at only behind "is" and the like."""
    return (
        any(key in NUMBERS and words.key(place - 1) in BEFORE_NUMBERS for place, key in enumerate(words.keys))
        if not (NUMBERS.isdisjoint(words.present))
        else False
    )


NUMBERS = frozenset(ONES.split("|")) | {f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")}
BEFORE_NUMBERS = word_set(
    "is was are were be been am i'm im he's she's hes shes nearly almost only just turned turns turning about like"
)


def is_of_person(words: Words, match: re.Match[str]) -> bool:
    """Whether the words before "is" speak of somebody, and of nothing that is counted."""
    place = bisect_left(words.starts, match.start("age"))
    be = match.group("be") or ""
    if be.lower() in ("i'm", "im", "am", "he's", "hes", "she's", "shes", "they're"):
        return True
    for back in range(place - 1, max(-1, place - 1 - REACH), -1):
        if back + 1 < place and any(sign in words.gap(back) for sign in ".!?\n"):
            return False
        key, flags = words.keys[back], words.flags[back]
        if key in NO_AGES:
            return False
        if key in SUBJECTS or words.cues[back] & KIN or (flags & GIVEN and not flags & ORDINARY):
            return True
    return False
