"""Ages: a text in; how old somebody is, out. Ages of groups ("adults over 65") and of things are left alone."""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import CUES
from heedful.privacy.identifiers.cues import KIN as KIN_CUE
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.words import Words

TENS = "twenty|thirty|forty|fourty|fifty|sixty|seventy|eighty|ninety"
ONES = "one|two|three|four|five|six|seven|eight|nine"
TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
SPELLED = rf"(?:(?:{TENS})(?:[ -](?:{ONES}))?|{TEENS}|{ONES})"
NUMBER = r"(?:1[01]\d|[1-9]\d|[1-9])"
AGE = rf"(?:{NUMBER}(?!\d)|{SPELLED}\b)"
UNIT = r"(?:y(?:ea)?rs?|y/o|yo|y\.o\.?|months?|mths?|mo|weeks?|wks?)"
WITH_UNIT = re.compile(
    rf"(?<![\w.,/$£€:-])(?:{NUMBER}\s?-?(?:y/o|y\.o\.?|yo|yrs?\s?old|y\s?old)(?:\s?[mf])?\b|{AGE}(?:\s|-|–)?(?:(?:and "
    rf"a half|½)\s)?{UNIT}(?:\s|-|–)?olds?\b|{AGE}\s(?:years?|yrs?)\sof\sage\b)",
    re.IGNORECASE,
)
SEXED = re.compile(
    rf"(?<![\w.,/$£€:'’-])\(?(?P<age>{NUMBER}\s?/?\s?(?:[mf]|ftm|mtf|nb|nonbinary|female|male)(?:/\w{{2,3}})?|(?:[mf]|"
    rf"nb)\s?/?\s?{NUMBER})\b(?![\w/.%:]\w)",
    re.IGNORECASE,
)
BRACKETED = re.compile(rf"(?<=[^\W\d_]\s\()\s?{NUMBER}\s?(?=\)|,\s?(?:he|she|they|m|f)\b)")
SUBJECT = (
    r"(?:i'?m|i am|im|i was|he'?s|she'?s|hes|shes|they'?re|he is|she is|he was|she was|they are|they were|we were|we "
    r"are|we're|who is|who's|who was|i'?ll be|i will be|he'?ll be|she'?ll be|i'd be|would be|"
    r"would(?:'ve| have| of| a)? been|woulda been)"
)
KIN = (
    r"(?:(?:(?:my|our|his|her|their)\s(?:\w+\s)?|\b(?=(?:mum|mom|dad|nan|gran|grandad|hubby|bf|gf)\b))(?:son|daughter|kid|kids|boy|girl|sister|brother|mum|mom|mother|dad|"
    r"father|nan|gran|grandma|grandad|wife|husband|partner|bf|gf|boyfriend|girlfriend|baby|"
    r"eldest|oldest|youngest|twins|cousin|nephew|niece|ex|child|children|boys|girls|sons|daughters|friend|uncle|aunt|"
    r"grandson|granddaughter|toddler|teen)(?:\s[^\W\d_]+)?(?:['’]s|\s(?:is|are|was|were|just turned|turned|turns)))"
)
PLACED = (
    r"(?:only|just|now|about|nearly|almost|like|turning|still|already|barely|roughly|around|over|past|probably|maybe|"
    r"currently|literally|also|both|not even|pushing|nearing|approaching)"
)
SAID = re.compile(
    rf"\b(?:{SUBJECT}|{KIN}|(?:is|was))\s(?:{PLACED}\s){{0,2}}(?P<age>{AGE})(?!-\d|\s?(?:%|percent|st\b|nd\b|rd\b|th\b|"
    rf"[:.]\d|/\d|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|miles?|pounds?|lbs?|kgs?|kilos?|stone|foot|feet|ft|"
    rf"inch|inches|cm|"
    rf"years?\b(?!\s?(?:old|of age))|yrs?\b(?!\s?old)|times?|people|of (?:my|the|them|us|those)|or (?:so )?(?:years?|"
    rf"days?|weeks?|hours?)|in the|am\b|pm\b|k\b|grand|quid|dollars?|out of|percent|steps?|sessions?|"
    rf"points?|likes?|followers?|mg\b|kids?\b|children|sisters?|brothers?|siblings|cats?|dogs?|friends?|bedrooms?|"
    rf"doors?|['’]\d|on (?:the|my)|thing|things|reason|reasons|big|more|less|to \d|x\b|bus|week|away|different|hundred|"
    rf"thousand|million|and done))\b",
    re.IGNORECASE,
)
KIN_SUBJECT = re.compile(KIN, re.IGNORECASE)
ONES_ALONE = re.compile(rf"^(?:{ONES})$", re.IGNORECASE)
CUED = re.compile(
    rf"\b(?:aged?|age of|ages|turned|turning|turns|turn|(?:the |my )?(?:youngest|oldest|eldest|middle one))\s?(?:is|"
    rf"was|:|=|-|at|just|only)?\s?(?P<age>{AGE})(?!\s?(?:%|"
    rf"st\b|nd\b|rd\b|to\b|into|or (?:over|older|above|under|younger|more|less|so)\b|kids|children|sons|daughters"
    rf"|and (?:over|older|above|under|up|"
    rf"younger|below)\b|[-–]\s?\d|\+|"
    rf"years? (?:or|and) (?:over|older|above|under)|in (?:a row|total|all)|pages?|into|times|heads?))\b",
    re.IGNORECASE,
)
WHEN = re.compile(
    rf"\b(?:(?:when|since|until|till|before|after|from)\s(?:i|he|she|we|they)\s(?:was|were|turned)\s(?:(?:about|around|"
    rf"like|just|only)\s)?|"
    rf"\b(?:left|pregnant|married|started|began|diagnosed|kid|mum|mom|mother|lost|moved|ran|died|dropped|engaged|raped|"
    rf"abused|orphaned|widowed|divorced|baby|drinking|smoking|"
    rf"cutting)\s(?:[^\W\d_]+\s){{0,2}}at\s|\bsince\s(?=1[1-9]\b))(?P<age>{NUMBER})(?=\s?(?:[,!?;)\n]|\.(?!\d)|$|(?:and|but|so|i|he|she|my|"
    rf"because|when|till|until|to|with|while|in|living|now|she's|he's|after)\b))",
    re.IGNORECASE,
)
OPENING = re.compile(
    rf"^\s*(?P<age>{NUMBER})(?=\s?[,.]?\s(?:male|female|m\b|f\b|yo\b|from\b|[a-z]+ed\b|single|and\b|living|student|"
    rf"nonbinary|trans|guy|girl|man|woman|here))",
    re.IGNORECASE,
)
APPOSITION = re.compile(
    r",\s(?P<age>[1-9]\d)(?=\s?(?:,|\.(?!\d)|$|;|\)|\n|\s?(?:years|yrs)\b(?! of)|\sand\b|\sfrom\b|\si\b|\sliving\b|\swith\b))",
    re.IGNORECASE,
)
ORDINAL = re.compile(
    rf"\b(?:my|his|her|our|their|[a-z]+'s)\s(?P<age>{NUMBER}(?:st|nd|rd|th))(?=\s(?:birthday|bday|b-day))", re.IGNORECASE
)
GROUPS = re.compile(
    r"\b(?:adults?|people|children|patients|women|men|teens|persons|individuals|infants|babies|those|anyone|kids|"
    r"students|americans|youth|everyone|females|males|boys|girls|over|under|than|every)\s(?:who are |were |are |is |"
    r"usually |often )?(?:aged? |ages? )?$",
    re.IGNORECASE,
)
# "jo here. 27, nurse": who one is, in fragments.
INTRODUCTION = re.compile(
    rf"^\W*(?:(?:hi|hey|hello|yo|hiya)\b\W*)?(?:(?:(?:i'?m|i am|my name(?:'s| is)?|this is|it'?s)\s[^\W\d_]+(?:\s[^\W\d_]+)?|"
    rf"[^\W\d_]+ here)\s?[.,/|-]\s?(?P<age>{NUMBER})(?=\s?[.,/|-]\s?[^\W\d])|(?P<first>[1-9]\d)(?=\s?[,/|]\s?[^\W\d]))",
    re.IGNORECASE,
)
SEVERAL = re.compile(
    rf"\b(?:kids|children|boys|girls|sons|daughters|twins|siblings|brothers|sisters|grandkids|"
    rf"ones|ages|aged|they are|they're|we are|we're)\b[^.!?\n\d]{{0,30}}?\(?"
    rf"(?P<ages>{NUMBER}(?:,\s?{NUMBER}(?!\d))*,?\s?(?:and|&|n)\s{NUMBER})(?=\s?(?:[),.!?;\n]|$|years?\b|and\b|who\b|now\b))",
    re.IGNORECASE,
)
# "my twins are 6 months": of a baby, months are an age.
BABY = re.compile(
    rf"\b(?:baby|twins|son|daughter|newborn|little one|youngest|bub|boy|girl|lo|dd|ds)(?:\s[^\W\d_]+)?"
    rf"(?:'s|\s(?:is|are|was|were))\s(?:{PLACED}\s)?"
    rf"(?P<age>(?:\d{{1,2}}|{SPELLED})\s(?:months?|mths?|weeks?|wks?|days?))(?!\s(?:pregnant|sober|clean|away|early|late|premature|ago))\b",
    re.IGNORECASE,
)
# Where nothing but an age stands: "in my late 20s", "just hit 40", "ages 4 to 11", "2 kids (5, 8)", "my boy 7".
DECADE = re.compile(
    r"\b(?:in|into|of)\s(?:my|his|her|their|our|your|the)\s(?P<age>(?:(?:early|mid|late)(?:\s|-|\sto\s|/)+){0,2}"
    r"(?:[1-9]0['’]?s|teens|twenties|thirties|forties|fourties|fifties|sixties|seventies|eighties|nineties))\b",
    re.IGNORECASE,
)
REACHED = re.compile(
    rf"\b(?:(?:just|about to|gonna|going to|nearly|finally)\s(?:hit|hitting)|pushing|nearing|approaching|not even|barely|already)\s"
    rf"(?P<age>{NUMBER})(?=\s?(?:[,.!?;)\n]|$|(?:and|but|yet|so|with|now|this|when|or)\b))",
    re.IGNORECASE,
)
SPAN = re.compile(
    rf"\b(?:from (?:the )?age(?: of)?|between the ages? of|between ages?|(?:was|were) aged?)\s(?P<ages>{NUMBER}"
    rf"(?:\s(?:to|and|till|until|through)\s|[-–]){NUMBER})\b",
    re.IGNORECASE,
)
IN_BRACKETS = re.compile(
    rf"\b(?:kids|children|boys|girls|sons|daughters|twins|siblings|brothers|sisters|grandkids)\b[^.!?\n\d]{{0,20}}"
    rf"\((?P<ages>{NUMBER}(?:\s?[,&/]\s?{NUMBER}(?!\d))+)\)",
    re.IGNORECASE,
)
KIN_NUMBER = re.compile(
    rf"\b(?:my|and|&|a|our|little|older|younger|eldest|youngest)\s(?:son|daughter|boy|girl|brother|sister|kid|eldest|youngest|baby)\s(?P<age>{NUMBER})"
    rf"(?=\s?(?:[,.!?;)\n]|$|(?:and|&|who|with|has|is|was)\s))",
    re.IGNORECASE,
)
SOON = re.compile(r"^\W{0,2}(?P<age>[1-9]\d)(?=\s(?:this year|next (?:week|month|year)|today|tomorrow|soon)\b)", re.IGNORECASE)
THEN = re.compile(rf"\b{SUBJECT}\s(?:only |just )?(?P<age>{ONES})(?=\s(?:when|at the time|then|years old)\b)", re.IGNORECASE)
BEFORE_UNIT = re.compile(r"(?<![\w.,/$£€:-])(\d{1,2})\s?(?:,|and|&)\s?$")
AT_AGE = re.compile(r"\bat\s(?P<age>1[3-9]|[2-9]\d)(?=,?\s(?:i|he|she|we|they|my)\b)(?!,?\s\w+\s(?:am|pm)\b)", re.IGNORECASE)
PATTERNS = (
    *(SEXED, BRACKETED, SAID, CUED, WHEN, OPENING, APPOSITION, ORDINAL),
    *(BABY, AT_AGE, DECADE, REACHED, KIN_NUMBER, SOON, THEN),
)
NUMBER_WORDS = frozenset((*TENS.split("|"), *TEENS.split("|"), "old")) | {
    *("teens", "twenties", "thirties", "forties", "fourties", "fifties", "sixties", "seventies", "eighties", "nineties")
}
ONES_WORDS = frozenset(ONES.split("|")) - {"one"}
BEFORE_ONES = frozenset(
    ("is", "was", "turned", "turns", "turning", "age", "aged", "are", "only", "just", "were", "i'm", "im", "he's", "she's")
)


def find_ages(words: Words) -> Iterator[Identifier]:
    text = words.text
    spelled = not NUMBER_WORDS.isdisjoint(words.present) or has_spelled_one(words)
    if not words.has_digits and not spelled:
        return
    search = (lambda pattern: pattern.finditer(text)) if spelled else words.near_digits
    for match in search(WITH_UNIT):
        if not GROUPS.search(text, max(0, match.start() - 30), match.start()) and not is_range(text, match.start(), match.end()):
            yield Identifier(match.start(), match.end(), "age", 0.8)
            if (before := BEFORE_UNIT.search(text, max(0, match.start() - 9), match.start())) is not None:
                yield Identifier(*before.span(1), "age", 0.7)  # "my 8 and 10 year olds"
    if words.has_digits:
        yield from find_several(words)
        if (match := INTRODUCTION.match(text)) is not None:
            yield Identifier(*match.span("age" if match.group("age") else "first"), "age", 0.7)
    for pattern in (
        SEXED,
        BRACKETED,
        SAID,
        CUED,
        WHEN,
        OPENING,
        APPOSITION,
        ORDINAL,
        BABY,
        AT_AGE,
        DECADE,
        REACHED,
        KIN_NUMBER,
        SOON,
        THEN,
    ):
        for match in search(pattern):
            start, end = match.span("age" if "age" in pattern.groupindex else 0)
            if is_somebodys(pattern, match, text, start, end):
                yield Identifier(start + len(text[start:end]) - len(text[start:end].lstrip()), end, "age", 0.7)


def has_spelled_one(words: Words) -> bool:
    return not ONES_WORDS.isdisjoint(words.present) and any(
        key in ONES_WORDS and words.key(place - 1) in BEFORE_ONES for place, key in enumerate(words.keys)
    )


def find_several(words: Words) -> Iterator[Identifier]:
    """ "my kids, 4 and 7": each number of the row."""
    for match in (match for pattern in (SEVERAL, SPAN, IN_BRACKETS) for match in words.near_digits(pattern)):
        if not is_personal(words, *match.span()) or pattern_of_groups(match, words.text):
            continue
        for number in re.finditer(r"\d+", match.group("ages")):
            start = match.start("ages") + number.start()
            yield Identifier(start, start + len(number.group()), "age", 0.7)


def pattern_of_groups(match: re.Match[str], text: str) -> bool:
    """ "children between the ages of 4 and 11" are nobody's."""
    return match.re is SPAN and GROUPS.search(text, max(0, match.start() - 30), match.start()) is not None


def is_range(text: str, start: int, end: int) -> bool:
    return (
        re.search(r"\d\s?(?:to|-|–)\s?$", text[max(0, start - 5) : start]) is not None
        or re.match(r"\s(?:or|and) (?:older|over|younger|under|above|up)", text[end : end + 14]) is not None
    )


def is_somebodys(pattern: re.Pattern[str], match: re.Match[str], text: str, start: int, end: int) -> bool:
    found = text[start:end]
    if GROUPS.search(text, max(0, start - 30), start) or is_range(text, start, end):
        return False
    if pattern is SEXED:
        bare = found.replace(" ", "")
        return (
            "(" in match.group()
            or "/" in bare
            or start <= 8
            or (start <= 20 and bare.lower().endswith("male"))
            or bool(
                re.search(
                    r"\b(?:i'?m|im|i am|me|bf|gf|wife|husband|partner|son|daughter|ex|a)\s\(?$",
                    text[max(0, start - 10) : start],
                    re.IGNORECASE,
                )
            )
        )
    if pattern is BRACKETED:
        return introduces_person(text, start)
    if pattern is SAID and ONES_ALONE.match(found):
        return found.lower() != "one" and KIN_SUBJECT.match(match.group()) is not None
    if pattern is SAID and re.match(r"(?:is|was)\s", match.group(), re.IGNORECASE):
        return named_before(text, match.start())
    if pattern is APPOSITION:
        return (
            re.search(
                r"(?:\b(?:i'?m|im|i am|name is|name's|this is|here|son|daughter|brother|sister|wife|husband|he's|she's|"
                r"and)\b[^.!?\n]{0,24}|^[^\W\d_]+(?: [^\W\d_]+)?)$",
                text[max(0, match.start() - 40) : match.start()],
                re.IGNORECASE,
            )
            is not None
        )
    return True


def introduces_person(text: str, start: int) -> bool:
    """ "Ollie (12)", "my gf (21)", "me (22)"; a list counts "(1) ... (2)"."""
    before = re.search(r"(\S+)\s\(\s?$", text[max(0, start - 30) : start])
    return before is not None and (
        before.group(1)[:1].isupper()
        or bool(CUES.get(before.group(1).lower(), 0) & KIN_CUE)
        or before.group(1).lower() in ("me", "i", "him", "her")
    )


def named_before(text: str, start: int) -> bool:
    """ "Jaxon is 9": a capital or a pronoun stands before "is"."""
    before = re.search(r"(\S+)\s$", text[max(0, start - 20) : start])
    return before is not None and (
        (before.group(1)[:1].isupper() and not re.search(r"\d|[A-Z]{2}", before.group(1)))  # not "my PHQ-9 was 17"
        or before.group(1).lower() in ("he", "she", "who", "mum", "dad", "mom", "nan")
    )
