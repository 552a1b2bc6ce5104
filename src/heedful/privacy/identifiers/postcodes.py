"""Postcodes: a text in; postcodes in it, and towns beside them, out.

Some have a shape of their own; digits alone need a town or a cue.
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import CITY, ORDINARY, REGION, fold, lexicon
from heedful.privacy.identifiers.words import Words

UK_AREAS = (
    "AB|AL|B|BA|BB|BD|BH|BL|BN|BR|BS|BT|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|DN|DT|DY|E|EC|EH|EN|EX|FK|FY|"
    "G|GL|GU|GY|HA|HD|HG|HP|HR|HS|HU|HX|IG|IM|IP|IV|JE|KA|KT|KW|KY|L|LA|LD|LE|LL|LN|LS|LU|"
    "M|ME|MK|ML|N|NE|NG|NN|NP|NR|NW|OL|OX|PA|PE|PH|PL|PO|PR|RG|RH|RM|S|SA|SE|SG|SK|SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|"
    "TD|TF|TN|TQ|TR|TS|TW|UB|W|WA|WC|WD|WF|WN|WR|WS|WV|YO|ZE"
)


OUTWARD = rf"(?:{UK_AREAS})\d(?:\d|[A-Z])?"


# "Leeds LS6", "the M15 area": half a postcode, beside a town or a word for a district.
OUTWARD_TOWN = re.compile(
    rf"(?P<town>[A-Z][^\W\d_]+),?\s(?P<code>{OUTWARD})(?![\w-])|"
    rf"\b(?P<area>{OUTWARD})(?=\s(?:area|postcode|district)\b)"
)


CODE_TOWN = re.compile(r"(?<![\w.,£$€:/+-])(?P<code>\d{4,5})\s(?P<town>[A-ZÀ-Þ][^\W\d_]{2,})")


TOWN_CODE = re.compile(r"(?P<town>[A-Z][^\W\d_]+(?:\s[A-Z][^\W\d_]+)?)(?:,\s|\s|-|\s-\s)(?P<code>\d{4,6})(?![\w.,:/-])")


LIVES_IN = re.compile(
    r"\b(?:i'?m in|live in|lives in|living in|lived in|based in|moved to|zip|in|near|from)\s(?P<code>\d{5})"
    r"(?!\s?(?:people|of|per|a|square|\w*[^i\W]s\b)|[\w,.]\d)",
    re.IGNORECASE,
)


POSTCODES = re.compile(
    rf"(?<![\w-])(?:{OUTWARD}\s?\d[ABD-HJLNP-UW-Z]{{2}}|[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ "
    rf"-]?\d[ABCEGHJ-NPRSTV-Z]\d|[ACDEFHKNPRTVWXY]\d[\dW] ?[\dACDEFHKNPRTVWXY]{{4}}|"
    r"[1-9]\d{3}\s?(?!(?:AM|PM|AD|BC|CE|UK|US|MG|ML|KG)\b)[A-RT-Z][A-EG-Z](?=\s|,|\.|$))(?![\w-])",
    re.IGNORECASE,
)


OUTWARD_ONLY = re.compile(
    rf"(?:\b(?i:in|near|around|from|to|at|of|by|round|outside|back|postcode|post code|area|live|flat|it's|its|im|i'm)\s(?:is\s)?|"
    rf"[,(]\s?|^)(?P<code>(?!(?:CO2|SO2|CR7|WD40|CT\d|HR\d|SS\d|TS\d)\b)(?:{OUTWARD}))(?![\w-])|"
    rf"\b(?i:postcode(?: is)?|post code(?: is)?|area is|live in|lives in|lived in|living in|flat in|house in|moved to|"
    rf"(?:im|i'm|i am) (?:in|from|at))\s(?P<lower>(?i:{OUTWARD}))(?![\w-])|"
    rf"\b(?:in|near|from)\s(?P<pair>(?=[a-z]{{2}}\d)(?i:{OUTWARD}))(?![\w-])",
    re.MULTILINE,
)


ANOTHER = re.compile(rf"(?:,|\s?/|\s(?:or|and|&|n))\s?(?P<code>{OUTWARD})(?![\w-])", re.IGNORECASE)


US_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|"
    "PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)


STATE_ZIP = re.compile(rf"\b(?P<state>{US_STATES})\.?,?\s(?P<code>\d{{5}}(?:-\d{{4}})?)(?![\w-])")


ZIP4 = re.compile(r"(?<![\w-])\d{5}-\d{4}(?![\w-])")


CUED_CODE = re.compile(
    r"\b(?:zip(?:\s?code)?|code(?=\s\d{3}\s?\d{3}\b)|post\s?(?:al\s)?code|postcode|pin\s?code|pincode|plz|postleitzahl|code postal|"
    r"cap|codigo postal|código postal|eircode|cep|postnummer|pin)(?:['’]s)?\s*(?:is|was|ist|est|es|:|=|-|#|number)?\s*:?\s*"
    r"(?P<code>\d{2}-\d{3}|\d{3}\s?\d{3}|\d{3}\s\d{2}|\d{4,6}(?:-\d{3,4})?|[A-Z]{1,2}\d{1,2}[A-Z]?(?:\s?\d[A-Z]{2})?)(?![\w-])",
    re.IGNORECASE,
)


EURO = re.compile(
    r"(?<![\w.,£$€:/+-])(?:[A-Z]{1,2}-)?(?P<code>\d{5}|\d{4}|\d{2}-\d{3}|\d{4}-\d{3}|\d{3}\s\d{2})\s(?=[A-ZÀ-Þ][^\W\d_]{2,})"
)


# "Geelong VIC 3220", "tx 78704", "01310-100", "brooklyn 11215", and a message that is nothing but a code.
AUSTRALIAN = re.compile(r"\b(?P<state>(?i:nsw|vic|qld|tas|act)|WA|SA|NT),?\s(?P<code>\d{4})(?![\w-])")
LOWER_STATE_ZIP = re.compile(
    r"(?<![\w'’])(?:al|ak|az|ar|ca|co|ct|de|fl|ga|id|il|ia|ks|ky|md|mi|mn|ms|mo|mt|ne|nv|nh|nj|nm|ny|nc|nd|oh|pa|ri|sc|sd|tn|tx|ut|vt|va|wa|wv|wi|"
    r"wy|dc|(?-i:[A-Z][a-z]{3,})),?\s(?P<code>\d{5})(?![\w,.-]\d|\w)",
    re.IGNORECASE,
)
BRAZILIAN = re.compile(r"(?<![\w.-])\d{5}-\d{3}(?![\w-])")
LOWER_TOWN_CODE = re.compile(r"(?<![\w'’])(?P<town>[^\W\d_]{4,}(?:\s[^\W\d_]{4,})?),?\s(?P<code>\d{5,6})(?![\w-]|[.,:]\d)")
LOWER_CODE_TOWN = re.compile(r"(?:^\W*|,\s|\b(?:in|from|at|near)\s)(?P<code>\d{5})\s(?P<town>[a-z]{4,})(?![\w-])")
CUED_BEHIND = re.compile(
    r"(?<![\w-])(?P<code>\d{4,6}|\d{2}-\d{3})(?=\s(?:is|was)\s(?:my|our|the|his|her|their)\s(?:zip|post|pin|plz)|\s(?:born|raised|represent|area)\b)",
    re.IGNORECASE,
)
BARE_CODE = re.compile(r"^\W*(?P<code>\d{5}(?:-\d{4})?)\W*$")
AMOUNT = re.compile(r"\d+00$|(?:19|20)\d\d$")
BEFORE_EURO = re.compile(r"(?:[,\n]\s*|\b(?:in|from|live in|to|near)\s)$", re.IGNORECASE)


INDIAN = re.compile(r"[A-Z][^\W\d_]+\s?[-–]\s?(?P<code>[1-8]\d{2}\s?\d{3})(?!\w)")


IRISH = re.compile(r"[ACDEFHKNPRTVWXY]\d[\dW] ?[\dACDEFHKNPRTVWXY]{4}", re.IGNORECASE)
CODE_CUE = re.compile(r"(?:code|in|at|,|from|near|live)\W{0,3}$", re.IGNORECASE)
CAPITAL_PART = re.compile(r"[A-ZÀ-ÞŚŠŽŻŁĆČĎ][^\W\d_]+(?:[ -](?:[A-ZÀ-ÞŚŠŽŻŁĆČĎ][^\W\d_]+|on|upon|nad|de|am|sur)){0,3}(?![\w'’])")
CUED_SCORE = 0.91  # above a name: streets are called after people


def find_postcodes(words: Words, ends: list[int]) -> Iterator[Identifier]:
    """`ends` are the ends of the street addresses that were found: a code may stand behind one."""
    text = words.text
    for match in words.near_digits(POSTCODES):
        if is_postcode(match.group(), text, match.start()):
            yield Identifier(*match.span(), "postcode", 0.92)
    for pattern, score in ((STATE_ZIP, 0.5), (AUSTRALIAN, 0.9)):
        yield from (Identifier(*match.span("state"), "place", score) for match in words.near_digits(pattern))
    for pattern, score in ((STATE_ZIP, 0.95), (CUED_CODE, 0.95), (INDIAN, 0.85), (LIVES_IN, 0.85), (AUSTRALIAN, 0.85)):
        yield from (Identifier(*match.span("code"), "postcode", score) for match in words.near_digits(pattern))
    for match in words.near_digits(OUTWARD_ONLY):
        yield Identifier(*match.span(match.lastgroup or 0), "postcode", 0.8)
        if another := ANOTHER.match(text, match.end()):
            yield Identifier(*another.span("code"), "postcode", 0.8)  # "around LS12 or BD3"
    yield from (Identifier(*match.span("code"), "postcode", 0.95) for match in words.near_digits(CUED_BEHIND))
    for pattern in (ZIP4, BRAZILIAN):
        yield from (Identifier(*match.span(), "postcode", 0.7) for match in words.near_digits(pattern))
    if bare := BARE_CODE.match(text):
        yield Identifier(*bare.span("code"), "postcode", 0.6)
    for pattern in (OUTWARD_TOWN, TOWN_CODE, CODE_TOWN, LOWER_TOWN_CODE):
        yield from beside_town(words, pattern)
    yield from in_lower_case(words)
    yield from continental(words, ends)


def in_lower_case(words: Words) -> Iterator[Identifier]:
    """ "02139 cambridge", "tx 78704"."""
    for match in words.near_digits(LOWER_CODE_TOWN):
        town = lexicon().flags.get(match.group("town"), 0)
        if town & CITY and not town & ORDINARY and not AMOUNT.search(match.group("code")):
            yield Identifier(*match.span("code"), "postcode", 0.8)
            yield Identifier(*match.span("town"), "place", 0.6)
    for match in words.near_digits(LOWER_STATE_ZIP):
        if not AMOUNT.search(match.group("code")) and (match.group()[:1].islower() or is_state(match.group())):
            yield Identifier(*match.span("code"), "postcode", 0.8)


def continental(words: Words, ends: list[int]) -> Iterator[Identifier]:
    """ "10115 Berlin" behind a street, or behind "in"."""
    for match in words.near_digits(EURO):
        near = any(0 <= match.start() - end <= 4 for end in ends)
        before = BEFORE_EURO.search(words.text, max(0, match.start() - 10), match.start())
        if near or (before and not 1900 <= int(re.sub(r"\D", "", match.group("code"))) <= 2050):
            yield Identifier(*match.span("code"), "postcode", 0.85)
            if town := CAPITAL_PART.match(words.text, match.end()):
                yield Identifier(*town.span(), "place", CUED_SCORE)


def is_state(found: str) -> bool:
    """ "Texas 78704": a capitalised word of the list of regions."""
    return bool(lexicon().flags.get(fold(re.split(r"[,\s]", found, maxsplit=1)[0]), 0) & REGION)


def beside_town(words: Words, pattern: re.Pattern[str]) -> Iterator[Identifier]:
    for match in words.near_digits(pattern):
        group = "area" if match.groupdict().get("area") else "code"
        code, town = match.group(group), match.group("town")
        year = code.isdigit() and 1900 <= int(code) <= 2035
        amount = pattern is LOWER_TOWN_CODE and AMOUNT.search(code)
        if not year and not amount and (town is None or is_town(town)):
            yield Identifier(*match.span(group), "postcode", 0.85)
            if pattern is CODE_TOWN and town:
                yield Identifier(*match.span("town"), "place", 0.6)


def is_town(name: str) -> bool:
    """ "San Francisco" is a phrase of the lexicon, "Leeds" a word; of two capitals the last may be the town."""
    first, *rest = fold(name).split()
    known = lexicon()
    phrase = any(tuple(rest) == words and flags & CITY for words, flags in known.phrases.get(first, ()))
    return phrase or bool(known.flags.get(rest[-1] if rest else first, 0) & CITY)


def is_postcode(found: str, text: str, start: int) -> bool:
    """Most shapes are like nothing else, in any case. A Dutch code could be a year and two letters, an Irish one a road."""
    if re.fullmatch(r"\d{4}\s?[A-Za-z]{2}", found):
        return found[-2:].isupper() and not 1900 <= int(found[:4]) <= 2050
    if IRISH.fullmatch(found):
        tail = found[-4:]
        spaced = found.isupper() or " " in found or CODE_CUE.search(text, max(0, start - 12), start) is not None
        return not tail.isdigit() and (spaced or any(map(str.isdigit, tail)))
    return True
