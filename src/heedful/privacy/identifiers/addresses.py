"""Addresses: a text in; street addresses and postcodes in it, out. The town is left to `places.py`.

Number and kind of street make an address ("14 Larkspur Close"); so does a number behind a street of another language
("Musterstraße 17"), and whatever has a number and follows "my address is".
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import CUES, FUNCTION, THANKS
from heedful.privacy.identifiers.kinds import Identifier, Kind
from heedful.privacy.identifiers.lexicon import CITY, FREQUENT, ORDINARY, fold, lexicon
from heedful.privacy.identifiers.postcodes import CAPITAL_PART, CUED_SCORE, find_postcodes
from heedful.privacy.identifiers.words import Words

CERTAIN = (
    "street|road|avenue|lane|crescent|terrace|boulevard|mews|gardens|grove|rd|ave|blvd|cres|hwy|highway|parkway|pkwy|"
    "expressway|cul-de-sac|turnpike|embankment|esplanade|promenade"
)
POSSIBLE = (
    "st|close|drive|dr|court|ct|place|pl|way|square|sq|hill|park|row|walk|circle|cir|trail|trl|rise|view|wharf|quay|"
    "green|parade|alley|ln|loop|bend|path|pike|plaza|heights|croft|fold|villas|estate|yard|house|ridge|run|chase|"
    "mead|vale|bank|avenida|broadway|extension|layout|colony|nagar|marg|chowk|cottages|mansions|buildings|apartments|towers|cl|"
    "gdns|ter|terr|drv|brae|wynd|croft|dale|fields?|meadows?|orchard|copse|glen|glade|mount|bypass|approach|hollow|spinney|garth|paddock|precinct|quadrant|causeway|circus|bungalows|rows?|side|bottom|end"
)
UNIT = (
    r"(?:(?:flat|apartment|apt|unit|studio|suite|ste|room|rm|floor|level|block|plot|house|door|no|h\.?\s?no|shop|villa|tower|"
    r"building|bldg|lot|trailer|#)\.?\s?(?:no\.?\s?)?#?(?:\d{1,5}(?:[-/]\d{1,5}){0,3}(?:-?[a-z])?|[a-z]-?\d{1,4})\b|(?:flat|apartment|apt|unit|block|wing|tower|building|room)\s[a-h]\b|"
    r"\d{1,3}(?:st|nd|rd|th)\sfloor|(?:ground|top|first|second|third|basement)\s(?:floor\s)?flat|(?:ground|top|first|second)\sfloor)"
)
NUMBER = r"\d{1,5}(?:\s?[a-z]\b|[-/]\d{1,4}[a-z]?|[-/][a-z]\b)?"
NAME_WORD = (
    r"(?!(?:minutes?|mins?|hours?|days?|weeks?|months?|years?|yrs?|miles?|km|kilometers?|of|times?|people|way|pm|am|"
    r"or|and|to|is|i)\b)(?:[^\W\d_][\w'’.-]*|\d{1,3}(?:st|nd|rd|th)\b)"
)
AFTER = rf"(?:[,\s]+(?:{UNIT}|(?:north|south|east|west|n|s|e|w|ne|nw|se|sw)\b\.?))*"
# "Maple Lodge, 3 Kent Road"
# "The Old Bakehouse, 3 Kent Road"
HOUSE_NAME = (
    r"(?:(?-i:The\s(?:[A-Z][\w'’]+\s?){1,3}),\s)?"
    r"(?:(?-i:(?:[A-Z][\w'’]+\s){1,2}"
    r"(?:House|Lodge|Court|Cottage|Villa|Tower|Towers|Mansions|Apartments|Building|Flats|Hall|Point|Heights)),\s)?"
)
STREET = re.compile(
    rf"(?<![\w.£$€-]){HOUSE_NAME}(?:(?:{UNIT})[,\s]+)*(?:\d{{1,3}}/\d{{1,3}},?\s|\d{{1,4}}\s)?"
    rf"(?:number\s)?{NUMBER},?\s(?P<name>(?:{NAME_WORD}\s){{1,4}}?)(?P<type>{CERTAIN}"
    rf"|{POSSIBLE})\b\.?(?:\s(?:{CERTAIN}|{POSSIBLE})\b(?=\s))?(?:\s(?P<second>{CERTAIN}|{POSSIBLE})\b\.?)?{AFTER}",
    re.IGNORECASE,
)
THE_STREET = re.compile(rf"(?<![\w.£$€-])(?:(?:{UNIT})[,\s]+)*{NUMBER},?\s(?i:the|la)\s[A-Z][\w'-]+\b(?=[,.\n]|$)")
UNIT_AND_STREET = re.compile(
    rf"(?<!\w)(?:{UNIT})[,\s]+(?P<name>(?:[A-Z][\w'’.-]*\s){{1,4}}?)(?P<type>{CERTAIN}|{POSSIBLE})\b\.?", re.IGNORECASE
)
BLOCK = re.compile(
    r"(?<![\w-])[A-Z]{1,2}[-/ ]?\d{1,4},?\s(?:[A-Z][\w'’]+\s){1,3}(?:Apartments?|Towers?|Heights|Residency|Enclave|Complex|Society|"
    r"Extension|Park|Layout|Phase|"
    r"Villas?|Nagar|Colony|Mansions?|Estate|Vihar|Gardens)\b"
)
GRID = re.compile(
    r"\b(?:calle|carrera|cra|kr|cl|diagonal|transversal)\.?\s\d{1,3}\s?\w?\s?(?:#|no\.?|n°)\s?\d{1,3}\s?\w?\s?"
    r"[-–]\s?\d{1,3}",
    re.IGNORECASE,
)
# "RR 2 Box 115", "19 maes y coed", "Trailer 9, Sunny Acres"
ROUTE = re.compile(r"\b(?:rr|rural route|hc|star route)\s?#?\d{1,3},?\s(?:box\s)?#?\d{1,5}\b", re.IGNORECASE)
CELTIC = re.compile(
    r"(?<![\w.£$€-])\d{1,4}[a-z]?,?\s(?:(?i:maes|heol|ffordd|stryd|lôn|rhodfa|clos|cwrt|sráid|sraid|bóthar|bothar|cluain|páirc)"
    r"|Bryn|Ard|Cnoc|Pen|Tan|Cae|Parc|An|Na|Dún|Gort)(?:\s[^\W\d_]+){1,3}?(?=[,.\n]|$|\s(?:in|and|near)\b)"
)
UNIT_AND_NAME = re.compile(
    r"(?<!\w)(?i:flat|apartment|apt|trailer|lot|pitch|plot|caravan|cabin|chalet|suite|villa)\s#?\d{1,4}[a-z]?,?\s"
    r"(?:[A-Z][\w'’]+\s?){1,3}\d{0,2}(?=[,.\n]|$)"
)
# "Am Alten Markt 7"
GERMAN = re.compile(
    r"(?<!\w)(?:Am|An der|An den|In der|Auf dem|Auf der|Zum|Zur|Unter den|Alte[rn]?)\s"
    r"(?:[A-ZÄÖÜ][\wäöüß-]+\s){1,2}\d{1,3}\s?[a-z]?\b"
)
# "our place is 6 Heron's Reach": two capitals and more behind a number, where an address stands.
CAPITAL_LINE = re.compile(
    r"\b(?i:at|to|is|in|live|address|outside|home|place|round)[\s:,]+(?P<line>\d{1,4}[a-z]?,?\s(?:[A-Z][\w'’]+\s){1,3}[A-Z][a-z'’]{2,})(?=\s?(?:[,.!?\n]|$))|"
    r"\b(?i:live[sd]? at|living at|house is|'s at|is at|address is|moved to|stay at|staying at)\s"
    r"(?P<one>\d{1,4}[a-z]?\s(?P<name>[A-Z][a-z]{5,}))(?=\s?(?:[,.!?\n]|$))"
)
# "Rm 204, Hollins Hall"
UNIT_AND_HOUSE = re.compile(
    rf"(?<!\w)(?:{UNIT})[,\s]+(?:(?-i:[A-Z][\w'’]+)\s){{1,3}}(?:House|Halls?|Lodge|Court|Towers?|Mansions|Apartments|Building|Block|"
    r"Flats|Residences?|Heights|Point|Village|Estate|Cottages?|Place)\b|"
    rf"(?<!\w)(?:{UNIT}),\s(?-i:The(?:\s[A-Z][\w'’]+){{1,2}})",
    re.IGNORECASE,
)
# "2205 County Road 14", "they live on Route 9"
NUMBERED_ROAD = re.compile(
    r"(?<![\w.£$€-])\d{1,5}\s(?:(?:county|state|farm|ranch|us)\s)?(?:road|rd|route|rte|highway|hwy)\s\d{1,4}\b|"
    r"(?<=\bon )(?:(?:county|state)\s)?(?-i:Route|Highway|Hwy|Rte|Road)\s\d{1,4}\b",
    re.IGNORECASE,
)
# "17 Greenways, Poynton"
CAPITAL_TOWN = re.compile(
    r"(?:^\W*|\b(?i:from|at|to|outside|is|in|live|address|home)[\s:]+)(?P<line>\d{1,4}[a-z]?,?\s[A-ZÀ-Þ][^\W\d_]+(?:\s[A-ZÀ-Þ][^\W\d_]+){0,2}),\s"
    r"(?P<town>[A-Z][^\W\d_]{2,})"
)
# "B-47, Sector 12", "house 9, street 14, F-8/2"
SECTOR = re.compile(
    r"(?<![\w-])(?:(?:house|h|plot|flat)\.?\s(?:no\.?\s)?)?(?:[A-Z][-/ ]?)?\d{1,4}(?:[-/]?[A-Z])?,?\s"
    r"(?:sector|phase|pocket|block|gali|street)\s?-?(?:\d{1,3}[A-Z]?|[A-Z])\b(?:,\s[A-Z]-\d{1,2}(?:/\d)?(?!\w))?",
    re.IGNORECASE,
)
# "from 118 jefferson, toledo": before a comma and a town.
LOWER_LINE = re.compile(
    r"\b(?:from|at|to|outside|is|in)\s(?P<line>\d{1,5}\s(?P<name>[^\W\d_]{4,})),\s(?P<town>[^\W\d_]{3,})", re.IGNORECASE
)
UNIT_LINE = re.compile(rf"(?<!\w)(?:{UNIT}),\s\d{{1,5}}\s[^\W\d_]{{3,20}}(?=[,.\n]|$)", re.IGNORECASE)
JOINED_STREET = re.compile(
    r"(?<![\w])(?:[A-ZÀ-Þ][\w'-]+\s){0,2}(?:(?i:[^\W\d_]{3,}(?:straße|strasse|straat|str\.|gasse|laan|allee|platz|plein|"
    r"gatan|vägen|veien|gracht))|[A-ZÀ-Þ][^\W\d_]{2,}(?:weg|gata|gade|vej|kade|dijk|dreef|tanya|utca|katu|tie|allé|damm|ufer|"
    r"ring))\s\d{1,4}\s?[a-z]?\b",
)
LEADING_KIND = re.compile(
    r"(?<![\w])(?:\d{1,4}(?:\s?(?:bis|ter|[a-z]))?,?\s)?(?i:rue|avenue|boulevard|bd|bld|bvd|impasse|chemin|allée|quai|via|viale|"
    r"piazza|corso|calle|avenida|av\.|plaza|paseo|carrer|rua|travessa|praça|ulica|ul\.|aleja|strada|str\.|ulitsa|"
    r"jalan|jl\.|jln|jalan|soi)\s"
    r"(?:(?:de|du|des|della|del|dei|da|do|dos|la|le|les|l['’]|d['’])\s?)*[A-ZÀ-Þ][\w'’.-]+(?:\s(?:de|du|des|la|el|"
    r"[A-ZÀ-Þ][\w'’-]+)){0,3}(?:,?\s(?:nº|n°|no\.?|n\.)?\s?\d{1,4}(?!\d)(?:\s?[a-z]\b)?(?:/\d+)?"
    r"(?:,?\s\d{1,2}\s?[ºª°](?:\s?[A-Za-z]\b)?)?)?",
)
UTJA = re.compile(
    r"(?<!\w)(?:\d{1,4}\s)?[^\W\d_]+(?:\s[^\W\d_]+)?\s(?:útja|utca|út|tér|rkp\.|körút|sokağı|caddesi|cad\.|sok\.|"
    r"mahallesi|poort|singel)\s?\d{0,4}\.?",
    re.IGNORECASE,
)
BOX = re.compile(
    r"(?<!\w)(?:p\.?\s?o\.?\s?box|post office box|private mail ?bag|pmb|postfach|bp|apartado)\s?#?\d{1,6}\b(?!\s?/)", re.IGNORECASE
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
ADDRESS_CUE = re.compile(
    r"\b(?:at|address|addy|live[sd]? (?:at|on|in)|moved? to|flat|outside|home|house|no|number|apt|unit|suite|is|from|round|"
    r"to|are|we're|im|i'm)[\s:,]*$",
    re.IGNORECASE,
)
MOTIONS = frozenset(("way", "run", "walk", "drive", "view", "path", "yard", "chase", "side", "end", "bottom", "place", "house"))
ORDINAL = re.compile(r"(?:[NSEWnsew]\s)?\d{1,3}(?:st|nd|rd|th)")
COUNTED = frozenset(("step", "point", "stage", "week", "day", "part", "pronged"))
ROOMS = frozenset(("bed", "bedroom", "bath", "star", "storey", "story", "car", "man", "person", "lane"))
SHORT_KINDS = frozenset(("st", "dr", "drv", "ct", "pl", "ln", "cl", "sq", "cir", "trl", "gdns", "terr"))
MOST_PARTS = 7
PART_GAP = re.compile(r"[ \t]*(?:[,\n][ \t\n,?]*)?")
UNIT_PART = re.compile(rf"{UNIT}\b", re.IGNORECASE)
CODE_PART = re.compile(r"(?:[A-Z]{2} )?(?P<code>\d{4,6}(?:-\d{3,4})?)(?![\w-])")
LOWER_WORD = re.compile(r"[^\W\d_]{3,}")
LINE_PART = re.compile(r"[^\W\d_][^\n,.!?:;@\d]{1,28}(?= \d{1,6}\b|,|\n|$)")


def find_addresses(words: Words) -> Iterator[Identifier]:
    text = words.text
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
            if part is None and "," in gap.group():
                part = lower_town(text, gap.end())
            if part is None or CUES.get(part.group().split()[0].lower(), 0) & (FUNCTION | THANKS):
                return
        kind: Kind = "address" if part.re is UNIT_PART else "postcode" if part.re is CODE_PART else "place"
        start = part.start("code") if part.re is CODE_PART else part.start()
        known = kind == "place" and lexicon().flags.get(fold(part.group()), 0) & CITY
        yield Identifier(start, part.end(), kind, CUED_SCORE if known else 0.6)
        end = part.end()


def lower_town(text: str, start: int) -> re.Match[str] | None:
    """ "3 the crescent, goole": a town of the list that is no plain word."""
    match = LOWER_WORD.match(text, start)
    known = lexicon().flags.get(fold(match.group()), 0) if match else 0
    return match if known & CITY and not known & ORDINARY else None


def find_streets(words: Words) -> Iterator[Identifier]:
    text = words.text
    whole = [
        Identifier(match.start(), match.start() + len(match.group().rstrip(" ,.\n")), "address", 0.94)
        for pattern in (STREET, UNIT_AND_STREET)
        for match in words.near_digits(pattern)
        if is_address(match, text)
    ]
    yield from whole
    for pattern in (
        THE_STREET,
        JOINED_STREET,
        LEADING_KIND,
        UTJA,
        BOX,
        ALONE,
        BLOCK,
        GRID,
        UNIT_LINE,
        ROUTE,
        CELTIC,
        UNIT_AND_NAME,
        GERMAN,
        UNIT_AND_HOUSE,
        SECTOR,
        NUMBERED_ROAD,
    ):
        yield from (
            Identifier(m.start(), m.start() + len(m.group().rstrip(" ,.\n")), "address", 0.9)
            for m in words.near_digits(pattern)
            if any(map(str.isdigit, m.group())) or pattern is LEADING_KIND
        )
    yield from (Identifier(*match.span("street"), "address", 0.9) for match in words.near_digits(LINE_STREET))
    for match in words.near_digits(CAPITAL_LINE):
        if match.group("line") or not lexicon().flags.get(fold(match.group("name")), 0) & ORDINARY:
            yield Identifier(*match.span("line" if match.group("line") else "one"), "address", 0.96)
    for match in words.near_digits(LOWER_LINE):
        known = lexicon().flags
        town, name = known.get(fold(match.group("town")), 0), known.get(fold(match.group("name")), 0)
        if town & CITY and not town & ORDINARY and not name & ORDINARY:
            yield Identifier(*match.span("line"), "address", CUED_SCORE)
    for match in words.near_digits(CAPITAL_TOWN):
        if lexicon().flags.get(fold(match.group("town")), 0) & CITY and not TIMES.match(match.group("line")):
            yield Identifier(*match.span("line"), "address", CUED_SCORE)
    for match in words.near_digits(CUED):
        start, value = match.start("value"), CUT.sub("", match.group("value"))
        if any(one.start < match.end() and start < one.end for one in whole):
            continue
        if not TIMES.match(value) and re.search(r"[^\W\d_]{3}", value):
            value = value.split(",")[0] if re.search(r"\d\s[^\W\d_]{2,}", value.split(",")[0]) else value
            yield Identifier(start, start + len(value.rstrip(" ,")), "address", CUED_SCORE)


def is_address(match: re.Match[str], text: str) -> bool:
    """ "a 10 minute drive" and "2 way street" are none: a common word takes capitals, a name, or "live at" before it."""
    kind, name = (match.groupdict().get("second") or match.group("type")).lower(), match.group("name").strip()
    certain = kind in CERTAIN.split("|")
    if kind == "approach" and name.lower() in COUNTED:
        return False  # "a 12 Step Approach"
    if ORDINAL.fullmatch(name):
        return kind not in MOTIONS
    if (certain and not name.islower()) or (name[:1].isupper() and (match.group("type")[:1].isupper() or kind in SHORT_KINDS)):
        return True
    cue = ADDRESS_CUE.search(text, max(0, match.start() - 18), match.start()) is not None
    if certain:
        return cue or len(name.split()) <= 2
    if kind in MOTIONS:
        return cue and not is_frequent(name) and ROOMS.isdisjoint(name.lower().split())
    return cue or is_rare(name) or (kind in SHORT_KINDS and not is_frequent(name))


def is_rare(name: str) -> bool:
    """Whether a word of it is in no dictionary."""
    flags = lexicon().flags
    return any(not flags.get(fold(word), 0) & ORDINARY for word in name.split() if word.isalpha())


def is_frequent(name: str) -> bool:
    flags = lexicon().flags
    return any(flags.get(fold(word), 0) & FREQUENT or not word.isalpha() for word in name.split())
