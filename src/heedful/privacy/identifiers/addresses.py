"""Addresses: a text in; street addresses and postcodes in it, out. The town is left to `places.py`.

Number and kind of street make an address ("14 Larkspur Close"); so does a number behind a street of another language
("Musterstraße 17"), and whatever has a number and follows "my address is".
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import CUES, FUNCTION, THANKS
from heedful.privacy.identifiers.kinds import Identifier, Kind
from heedful.privacy.identifiers.lexicon import CITY, fold, lexicon
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

CERTAIN = (
    "street|road|avenue|lane|crescent|terrace|boulevard|mews|gardens|grove|rd|ave|blvd|cres|hwy|highway|parkway|pkwy|"
    "expressway|cul-de-sac|turnpike"
)
POSSIBLE = (
    "st|close|drive|dr|court|ct|place|pl|way|square|sq|hill|park|row|walk|circle|cir|trail|trl|rise|view|wharf|quay|"
    "green|parade|alley|ln|loop|bend|path|pike|plaza|heights|croft|fold|villas|estate|yard|house|ridge|run|chase|"
    "mead|vale|bank|avenida|broadway|extension|layout|colony|nagar|marg|chowk|cottages|mansions|buildings|apartments|towers|cl|"
    "gdns|ter|terr|brae|wynd|croft|dale|fields?|meadows?|orchard|copse|glen|glade|mount|bypass|causeway|circus|bungalows|rows?|side|bottom|end"
)
UNIT = (
    r"(?:(?:flat|apartment|apt|unit|suite|ste|room|rm|floor|block|plot|house|door|no|h\.?\s?no|shop|villa|tower|"
    r"building|bldg|lot|trailer|#)\.?\s?(?:no\.?\s?)?#?\d{1,5}[a-z]?\b|(?:flat|apartment|apt|unit|block|wing|tower|building|room)\s[a-h]\b|"
    r"\d{1,3}(?:st|nd|rd|th)\sfloor|(?:ground|top|first|second|third|basement)\s(?:floor\s)?flat|(?:ground|top|first|second)\sfloor)"
)
NUMBER = r"\d{1,5}(?:\s?[a-z]\b|[-/]\d{1,4}[a-z]?)?"
NAME_WORD = (
    r"(?!(?:minutes?|mins?|hours?|days?|weeks?|months?|years?|yrs?|miles?|km|kilometers?|of|times?|people|way|pm|am|"
    r"or|and|to|is|i)\b)(?:[^\W\d_][\w'’.-]*|\d{1,3}(?:st|nd|rd|th)\b)"
)
AFTER = rf"(?:[,\s]+(?:{UNIT}|(?:north|south|east|west|n|s|e|w|ne|nw|se|sw)\b\.?))*"
STREET = re.compile(
    rf"(?<![\w.£$€-])(?:(?:{UNIT})[,\s]+)*(?:\d{{1,4}}\s)?{NUMBER},?\s(?P<name>(?:{NAME_WORD}\s){{1,4}}?)(?P<type>{CERTAIN}"
    rf"|{POSSIBLE})\b\.?(?:\s(?:{CERTAIN}|{POSSIBLE})\b\.?)?{AFTER}",
    re.IGNORECASE,
)
THE_STREET = re.compile(rf"(?<![\w.£$€-])(?:(?:{UNIT})[,\s]+)*{NUMBER},?\s(?:the|la)\s[A-Z][\w'-]+\b(?=[,.\n]|$)")
UNIT_AND_STREET = re.compile(
    rf"(?<!\w)(?:{UNIT})[,\s]+(?P<name>(?:[A-Z][\w'’.-]*\s){{1,4}}?)(?P<type>{CERTAIN}|{POSSIBLE})\b\.?", re.IGNORECASE
)
UNNUMBERED = re.compile(
    r"(?<![\w'’])(?P<name>(?:(?:[A-Z][\w'’.-]+|\d{1,3}(?:st|nd|rd|th))\s){1,3})(?:Street|Road|Avenue|Lane|Crescent|Terrace|Boulevard|Close|Drive|"
    r"Court|Way|Gardens|Grove|Mews|Rd|Ave|St|Blvd|Estate)\b(?!\s?(?:Hospital|School|Surgery|Journal|[A-Z]))"
)
STREET_WORDS = word_set(
    """
    street road avenue lane crescent terrace boulevard close drive court way gardens grove mews rd ave blvd estate st
    """
)
UK_AREAS = (
    "AB|AL|B|BA|BB|BD|BH|BL|BN|BR|BS|BT|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|DN|DT|DY|E|EC|EH|EN|EX|FK|FY|"
    "G|GL|GU|GY|HA|HD|HG|HP|HR|HS|HU|HX|IG|IM|IP|IV|JE|KA|KT|KW|KY|L|LA|LD|LE|LL|LN|LS|LU|"
    "M|ME|MK|ML|N|NE|NG|NN|NP|NR|NW|OL|OX|PA|PE|PH|PL|PO|PR|RG|RH|RM|S|SA|SE|SG|SK|SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|"
    "TD|TF|TN|TQ|TR|TS|TW|UB|W|WA|WC|WD|WF|WN|WR|WS|WV|YO|ZE"
)
OUTWARD = rf"(?:{UK_AREAS})\d(?:\d|[A-Z])?"
HOUSE = re.compile(
    r"(?<![\w'’])(?:(?:The|Flat \w{1,4},)\s)?(?:[A-Z][\w'’]+\s){0,3}(?:Cottage|House|Farm|Lodge|Vicarage|Rectory|Barn|Villa|Manor|"
    r"Court|Apartments|Towers|Mansions|Heights|Residency|Enclave),\s(?:[A-Z][\w'’.-]+\s){1,3}(?:Street|Road|Avenue|Lane|Crescent|Terrace|Close|"
    r"Drive|Way|Gardens|Grove|Hill|Rd|Ave)\b"
)
BLOCK = re.compile(
    r"(?<![\w-])[A-Z]{1,2}[-/ ]?\d{1,4},?\s(?:[A-Z][\w'’]+\s){1,3}(?:Apartments?|Towers?|Heights|Residency|Enclave|Complex|Society|"
    r"Villas?|Nagar|Colony|Mansions?|Estate|Vihar|Gardens)\b"
)
GRID = re.compile(
    r"\b(?:calle|carrera|cra|kr|cl|diagonal|transversal)\.?\s\d{1,3}\s?\w?\s?(?:#|no\.?|n°)\s?\d{1,3}\s?\w?\s?"
    r"[-–]\s?\d{1,3}",
    re.IGNORECASE,
)
UNIT_LINE = re.compile(rf"(?<!\w)(?:{UNIT}),\s\d{{1,5}}\s[^\W\d_]{{3,20}}(?=[,.\n]|$)", re.IGNORECASE)
# "Leeds LS6", "the M15 area": half a postcode, beside a town or a word for a district.
OUTWARD_TOWN = re.compile(
    rf"(?P<town>[A-Z][^\W\d_]+),?\s(?P<code>{OUTWARD})(?![\w-])|"
    rf"\b(?P<area>{OUTWARD})(?=\s(?:area|postcode|district)\b)"
)
CODE_TOWN = re.compile(r"(?<![\w.,£$€:/+-])(?P<code>\d{4,5})\s(?P<town>[A-ZÀ-Þ][^\W\d_]{2,})")
TOWN_CODE = re.compile(r"(?P<town>[A-Z][^\W\d_]+(?:\s[A-Z][^\W\d_]+)?)(?:,\s|\s|-|\s-\s)(?P<code>\d{4,6})(?![\w.,:/-])")
LIVES_IN = re.compile(
    r"\b(?:i'?m in|live in|lives in|living in|lived in|based in|moved to|zip|in|near|from)\s(?P<code>\d{5})"
    r"(?!\s?(?:people|of|\w*s\b)|[\w,.]\d|\s[a-z])",
    re.IGNORECASE,
)
JOINED_STREET = re.compile(
    r"(?<![\w])(?:[A-ZÀ-Þ][\w'-]+\s){0,2}(?:(?i:[^\W\d_]{3,}(?:straße|strasse|straat|str\.|gasse|laan|allee|platz|plein|"
    r"gatan|vägen|veien|gracht))|[A-ZÀ-Þ][^\W\d_]{2,}(?:weg|gata|gade|vej|kade|dijk|dreef|tanya|utca|katu|tie|allé|damm|ufer|"
    r"ring))\s\d{1,4}\s?[a-z]?\b",
)
LEADING_KIND = re.compile(
    r"(?<![\w])(?:\d{1,4}(?:\s?(?:bis|ter|[a-z]))?,?\s)?(?i:rue|avenue|boulevard|impasse|chemin|allée|quai|via|viale|"
    r"piazza|corso|calle|avenida|av\.|plaza|paseo|carrer|rua|travessa|praça|ulica|ul\.|aleja|strada|str\.|ulitsa|"
    r"jalan|jl\.|jln|jalan|soi)\s"
    r"(?:(?:de|du|des|della|del|dei|da|do|dos|la|le|les|l['’]|d['’])\s?)*[A-ZÀ-Þ][\w'’.-]+(?:\s(?:de|du|des|la|el|"
    r"[A-ZÀ-Þ][\w'’-]+)){0,3}(?:,?\s(?:nº|n°|no\.?|n\.)?\s?\d{1,4}(?!\d)(?:\s?[a-z]\b)?(?:/\d+)?)?",
)
UTJA = re.compile(
    r"(?<!\w)(?:\d{1,4}\s)?[^\W\d_]+(?:\s[^\W\d_]+)?\s(?:útja|utca|út|tér|rkp\.|körút|sokağı|caddesi|cad\.|sok\.|"
    r"mahallesi|poort|singel)\s?\d{0,4}\.?",
    re.IGNORECASE,
)
BOX = re.compile(
    r"(?<!\w)(?:p\.?\s?o\.?\s?box|post office box|private mail ?bag|pmb|postfach|bp|apartado)\s?#?\d{1,6}\b", re.IGNORECASE
)
ALONE = re.compile(
    rf"(?<!\w)(?:{UNIT})(?:[,\s]+(?:{UNIT}|(?:street|sector|phase|lane|road|gali|cross|main|line)\s(?:no\.?\s?)?\d{{1,3}}\b))+",
    re.IGNORECASE,
)
CUED = re.compile(
    r"\b(?:address(?:es)?(?:\s(?:is|was|are|here they are|it is|with|to|linked to|on file))?\s?(?::|is|it is|to|"
    r"with)?|(?:now\s)?(?:live|lives|lived|stay|stays|stayed|living|staying)\s(?:at|on)|send it to|"
    r"deliver(?:ed)? (?:it )?to|return(?:ed)? to|located at|restaurant is at|"
    r"(?:house|home|flat|place|office|surgery|store|shop|restaurant|station|party) is (?:at|on|located at)|come to|"
    r"meet (?:me )?at|change my address to)\s*:?\s*(?:it is\s)?(?:number\s)?(?P<value>\d[^\n.;?!]{3,70})",
    re.IGNORECASE,
)
CUT = re.compile(
    r"\s(?:and|but|if|in case|for|with|please|since|because|so|when|where|until|till|i\s|we\s|my|he|she|they|is|was|"
    r"it)\b.*$|\s[-–—]\s.*$|,?\s(?:in|near|by|just|on)\s.*$",
    re.IGNORECASE | re.DOTALL,
)
TIMES = re.compile(
    r"^\d{1,2}(?::\d\d|\s?(?:am|pm|o'?clock))|^\d+\s?(?:minutes?|hours?|days?|weeks?|months?|years?|miles?|people|km|times)\b",
    re.IGNORECASE,
)

# A line of number and street, with no kind of street, in a block that goes on to a unit or a code.
LINE_STREET = re.compile(
    rf"(?:^|\n)[ \t?]*(?P<street>\d{{1,5}} [^\W\d_][^\n,.!?:;@\d]{{2,30}}(?: \d{{1,4}})?)\.?[ "
    rf"\t]*\n(?=(?:[^\n]{{0,40}}\n){{0,3}}[^\n]{{0,30}}(?:\d{{4,6}}|{UNIT})[ \t]*(?:\n|$))",
    re.IGNORECASE,
)
POSTCODES = re.compile(
    rf"(?<![\w-])(?:{OUTWARD}\s?\d[ABD-HJLNP-UW-Z]{{2}}|[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ "
    rf"-]?\d[ABCEGHJ-NPRSTV-Z]\d|[ACDEFHKNPRTVWXY]\d[\dW] ?[\dACDEFHKNPRTVWXY]{{4}}|"
    r"[1-9]\d{3}\s[A-RT-Z][A-EG-Z](?=\s|,|\.|$))(?![\w-])",
    re.IGNORECASE,
)
OUTWARD_ONLY = re.compile(
    rf"(?:\b(?:in|near|around|from|to|postcode|post code|area|over in|live|flat)\s(?:is\s)?|"
    rf"[,(]\s?)(?P<code>(?:{OUTWARD}))(?![\w-])"
)
US_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|"
    "PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)
STATE_ZIP = re.compile(rf"\b(?P<state>{US_STATES})\.?,?\s(?P<code>\d{{5}}(?:-\d{{4}})?)(?![\w-])")
ZIP4 = re.compile(r"(?<![\w-])\d{5}-\d{4}(?![\w-])")
CUED_CODE = re.compile(
    r"\b(?:zip(?:\s?code)?|post\s?(?:al\s)?code|postcode|pin\s?code|pincode|plz|postleitzahl|code postal|cap|codigo "
    r"postal|código postal|eircode|cep|postnummer|pin)(?:['’]s)?\s*(?:is|was|:|=|-|#|number)?\s*:?\s*(?P<code>\d{2}-\d{3}|"
    r"\d{3}\s?\d{3}|\d{3}\s\d{2}|\d{4,6}(?:-\d{3,4})?|[A-Z]{1,2}\d{1,2}[A-Z]?(?:\s?\d[A-Z]{2})?)(?![\w-])",
    re.IGNORECASE,
)
EURO = re.compile(
    r"(?<![\w.,£$€:/+-])(?:[A-Z]{1,2}-)?(?P<code>\d{5}|\d{4}|\d{2}-\d{3}|\d{4}-\d{3}|\d{3}\s\d{2})\s(?=[A-ZÀ-Þ][^\W\d_]{2,})"
)
BEFORE_EURO = re.compile(r"(?:[,\n]\s*|\b(?:in|from|live in|to|near)\s)$", re.IGNORECASE)
CUED_SCORE = 0.91  # above a name: streets are called after people
MOST_PARTS = 7
PART_GAP = re.compile(r"[ \t]*(?:[,\n][ \t\n,?]*)?")
UNIT_PART = re.compile(rf"{UNIT}\b", re.IGNORECASE)
CODE_PART = re.compile(r"(?:[A-Z]{2} )?(?P<code>\d{4,6}(?:-\d{3,4})?)(?![\w-])")
LINE_PART = re.compile(r"[^\W\d_][^\n,.!?:;@\d]{1,28}(?= \d{1,6}\b|,|\n|$)")
CAPITAL_PART = re.compile(r"[A-ZÀ-ÞŚŠŽŻŁĆČĎ][^\W\d_]+(?:[ -](?:[A-ZÀ-ÞŚŠŽŻŁĆČĎ][^\W\d_]+|on|upon|nad|de|am|sur)){0,3}(?![\w'’])")
INDIAN = re.compile(r"[A-Z][^\W\d_]+\s?[-–]\s?(?P<code>[1-8]\d{2}\s?\d{3})(?!\w)")


def find_addresses(words: Words) -> Iterator[Identifier]:
    text = words.text
    if not STREET_WORDS.isdisjoint(words.present):
        yield from (Identifier(*m.span(), "address", CUED_SCORE) for m in UNNUMBERED.finditer(text) if is_street_name(m, words))
        yield from (Identifier(*m.span(), "address", 0.93) for m in HOUSE.finditer(text))
    if not words.has_digits:
        return
    found = list(find_streets(words))
    yield from found
    for one in found:
        yield from find_rest(text, one.end, one.score == CUED_SCORE)
    yield from find_postcodes(words, [one.end for one in found])


def find_rest(text: str, end: int, announced: bool) -> Iterator[Identifier]:
    """The lines, or the parts between commas, behind a street: unit, town, country, code."""
    for _ in range(MOST_PARTS):
        gap = PART_GAP.match(text, end)
        if gap is None or not gap.group():
            return
        part = next((match for pattern in (UNIT_PART, CODE_PART) if (match := pattern.match(text, gap.end()))), None)
        if part is None:
            town = (
                LINE_PART
                if "\n" in gap.group() or (announced and "," in gap.group())
                else CAPITAL_PART
                if "," in gap.group()
                else None
            )
            part = town.match(text, gap.end()) if town else None
            if part is None or CUES.get(part.group().split()[0].lower(), 0) & (FUNCTION | THANKS):
                return
        kind: Kind = "address" if part.re is UNIT_PART else "postcode" if part.re is CODE_PART else "place"
        start = part.start("code") if part.re is CODE_PART else part.start()
        known = kind == "place" and lexicon().flags.get(fold(part.group()), 0) & CITY
        yield Identifier(start, part.end(), kind, CUED_SCORE if known else 0.6)
        end = part.end()


def find_streets(words: Words) -> Iterator[Identifier]:
    text = words.text
    whole = [
        Identifier(match.start(), match.start() + len(match.group().rstrip(" ,.\n")), "address", 0.94)
        for pattern in (STREET, UNIT_AND_STREET)
        for match in words.near_digits(pattern)
        if is_address(match, text)
    ]
    yield from whole
    for pattern in (THE_STREET, JOINED_STREET, LEADING_KIND, UTJA, BOX, ALONE, BLOCK, GRID, UNIT_LINE):
        yield from (
            Identifier(m.start(), m.start() + len(m.group().rstrip(" ,.\n")), "address", 0.9)
            for m in words.near_digits(pattern)
            if any(map(str.isdigit, m.group())) or pattern is LEADING_KIND
        )
    yield from (Identifier(*match.span("street"), "address", 0.9) for match in words.near_digits(LINE_STREET))
    for match in words.near_digits(CUED):
        start, value = match.start("value"), CUT.sub("", match.group("value"))
        if any(one.start < match.end() and start < one.end for one in whole):
            continue
        if not TIMES.match(value) and re.search(r"[^\W\d_]{3}", value):
            value = value.split(",")[0] if re.search(r"\d\s[^\W\d_]{2,}", value.split(",")[0]) else value
            yield Identifier(start, start + len(value.rstrip(" ,")), "address", CUED_SCORE)


def is_address(match: re.Match[str], text: str) -> bool:
    """ "a 10 minute drive" and "2 way street" are none: a kind that is a common word takes capitals, or "live at" before it."""
    kind, name = match.group("type"), match.group("name").strip()
    if kind.lower() in CERTAIN.split("|") and not name.islower():
        return True
    if name[:1].isupper() and kind[:1].isupper():
        return True
    cue = re.search(
        r"\b(?:at|address|live[sd]? (?:at|on|in)|moved? to|flat|outside|home|house|no|number|apt|unit|suite|is|to)[\s:,]*$",
        text[max(0, match.start() - 18) : match.start()],
        re.IGNORECASE,
    )
    if kind.lower() in CERTAIN.split("|"):
        return cue is not None or len(name.split()) <= 2
    return (cue is not None and kind.lower() not in ("way", "run", "walk", "drive", "view", "path", "yard")) or (
        name[:1].isupper() and kind.lower() in ("st", "dr", "ct", "pl", "ln")
    )


def is_street_name(match: re.Match[str], words: Words) -> bool:
    """ "on Fernhill Road": not the first word of a sentence, and not the Street of a title."""
    before = words.text[max(0, match.start() - 14) : match.start()]
    return (
        re.search(
            r"\b(?:on|at|of|down|along|off|in|to|near|from|the corner of|and|outside|our|opposite)\s(?:the\s)?$",
            before,
            re.IGNORECASE,
        )
        is not None
    )


def find_postcodes(words: Words, ends: list[int]) -> Iterator[Identifier]:
    text = words.text
    for match in words.near_digits(POSTCODES):
        if is_postcode(match.group(), text, match.start()):
            yield Identifier(*match.span(), "postcode", 0.92)
    yield from (Identifier(*match.span("state"), "place", 0.5) for match in words.near_digits(STATE_ZIP))
    for pattern, score in ((STATE_ZIP, 0.95), (CUED_CODE, 0.95), (OUTWARD_ONLY, 0.8), (INDIAN, 0.85)):
        yield from (Identifier(*match.span("code"), "postcode", score) for match in words.near_digits(pattern))
    yield from (Identifier(*match.span(), "postcode", 0.7) for match in words.near_digits(ZIP4))
    yield from (Identifier(*match.span("code"), "postcode", 0.85) for match in words.near_digits(LIVES_IN))
    for pattern in (OUTWARD_TOWN, TOWN_CODE, CODE_TOWN):
        yield from beside_town(words, pattern)
    for match in words.near_digits(EURO):
        code, near = match.group("code"), any(0 <= match.start() - end <= 4 for end in ends)
        if near or (
            BEFORE_EURO.search(text, max(0, match.start() - 10), match.start()) and not 1900 <= int(re.sub(r"\D", "", code)) <= 2050
        ):
            yield Identifier(*match.span("code"), "postcode", 0.85)
            if town := CAPITAL_PART.match(text, match.end()):
                yield Identifier(*town.span(), "place", CUED_SCORE)


def beside_town(words: Words, pattern: re.Pattern[str]) -> Iterator[Identifier]:
    for match in words.near_digits(pattern):
        group = "area" if match.groupdict().get("area") else "code"
        code, town = match.group(group), match.group("town")
        year = code.isdigit() and 1800 <= int(code) <= 2100
        if not year and (town is None or is_town(town)):
            yield Identifier(*match.span(group), "postcode", 0.85)


def is_town(name: str) -> bool:
    """ "San Francisco" is a phrase of the lexicon, "Leeds" a word; of two capitals the last may be the town."""
    first, *rest = fold(name).split()
    known = lexicon()
    phrase = any(tuple(rest) == words and flags & CITY for words, flags in known.phrases.get(first, ()))
    return phrase or bool(known.flags.get(rest[-1] if rest else first, 0) & CITY)


def is_postcode(found: str, text: str, start: int) -> bool:
    """In lower case, or without its space, a code could be a word with digits; it needs the shape of one all the same."""
    if re.fullmatch(r"\d{4}\s[A-Za-z]{2}", found):
        return found[-2:].isupper() and not 1900 <= int(found[:4]) <= 2050
    return (
        found.isupper()
        or " " in found
        or re.search(r"(?:code|in|at|,|from|near|live)\W{0,3}$", text[max(0, start - 12) : start], re.IGNORECASE) is not None
    )
