"""Words: an e-mail, handle, web address, street, place, employer or school in; an invented one of the same form, out."""

import re
from functools import cache

from heedful.privacy.identifiers.addresses import CERTAIN, POSSIBLE
from heedful.privacy.identifiers.contact import DOT
from heedful.privacy.identifiers.employers import BODY, LEGAL
from heedful.privacy.identifiers.lexicon import CITY, COUNTRY, LARGE, NAME, ORDINARY, PUBLIC, REGION, fold, lexicon
from heedful.privacy.identifiers.postcodes import US_STATES
from heedful.privacy.identifiers.schools import SCHOOL_TAIL, SCHOOLS
from heedful.privacy.identifiers.terms import terms, word_set
from heedful.privacy.surrogates.draws import Draws, like
from heedful.privacy.surrogates.numbers import scrambled

FIRST = terms(
    """
    Ash Birch Brook Clay Cobble Cran Dale Elm Fern Glen Hazel Heather Hollow Kestrel Lark Linden Maple Marl Mill Moss Oaken
    Otter Pine Quill Reed Rowan Sedge Stone Thorn Wether Willow Wren
    """
)
LAST = terms(
    """
    bourne bridge brook by combe cote dale den field fold ford gate ham hurst leigh ley low mere mouth stead stoke thorpe ton
    well wick wood worth
    """
)
ADJECTIVES = terms(
    """
    amber brisk calm dusty early faint gentle hazy idle keen late mellow noble quiet rapid silver tidy vivid warm windy
    """
)
NOUNS = terms(
    """
    acorn badger comet drifter ember falcon glacier harbor iris juniper kite lantern meadow nimbus orchard pebble quartz raven
    signal thistle
    """
)
KEPT_TYPES = (
    LEGAL
    | BODY
    | SCHOOLS
    | SCHOOL_TAIL
    | word_set(
        """
    the of and for care home homes centre center co company restaurant cafe farm surgery practice dental pharmacy st
    """
    )
)
STREET_TYPES = frozenset((*CERTAIN.split("|"), *POSSIBLE.split("|")))
FEW = 3  # places to choose from; with fewer, one is invented
UNIT_WORDS = word_set(
    """
    trailer caravan pitch cabin rr route
    flat apartment apt unit suite ste room rm floor block plot house door no villa tower building bldg lot po p o box north
    south east west n s e w bis ter
    """
)
FOREIGN_TYPES = re.compile(
    r"(?i)(straße|strasse|straat|gasse|weg|laan|allee|platz|plein|gatan|gata|vägen|veien|gade|vej|kade|gracht|dijk|utca|katu|tie)$"
)
FOREIGN_LEAD = word_set(
    """
    rue avenue boulevard impasse chemin allée quai via viale piazza corso calle avenida av plaza paseo carrer rua travessa ulica
    ul aleja strada jalan jl de du des della del la le les el útja utca
    """
)


def invented(draws: Draws) -> str:
    """A word that could name a village or a firm."""
    return draws.pick(FIRST) + draws.pick(LAST)


def stand_in_for_email(value: str, draws: Draws) -> str:
    """The spelling stays ("at", "dot"), the domain is one kept for documentation."""
    local, separator, host = split_email(value)
    words = re.findall(r"[^\W_]+", re.sub(r"(?i)\b(?:dot|underscore|dash|hyphen)\b", " ", local))
    made = local
    for word in words:
        fresh = (
            draws.digits(len(word))
            if word.isdigit()
            else like(word, draws.pick(NOUNS if len(word) > 3 else [noun[:3] for noun in NOUNS]))
        )
        made = made.replace(word, fresh, 1)
    dot = re.search(DOT, host, re.IGNORECASE)
    return f"{made}{separator}{like(host, 'example')}{dot.group() if dot else '.'}{like(host, draws.pick(('org', 'com', 'net')))}"


def split_email(value: str) -> tuple[str, str, str]:
    found = re.search(r"\s*[\[({<]?\s*@\s*[\])}>]?\s*|\s*[\[({<]\s*at\s*[\])}>]\s*|\s+at\s+", value, re.IGNORECASE)
    return (value[: found.start()], found.group(), value[found.end() :]) if found else (value, "@", "")


def stand_in_for_handle(value: str, draws: Draws) -> str:
    """The mark before it and the four digits behind it stay marks and digits."""
    lead = re.match(r"@|/?u/|\$", value)
    tail = re.search(r"#\d{4}$", value)
    body = draws.pick(ADJECTIVES) + draws.pick(("_", ".", "")) + draws.pick(NOUNS) + draws.digits(2)
    return (lead.group() if lead else "") + body + ("#" + draws.digits(4) if tail else "")


def stand_in_for_url(value: str, draws: Draws) -> str:
    scheme = re.match(r"https?://(?:www\.)?|www\.", value, re.IGNORECASE)
    path = f"/{draws.pick(ADJECTIVES)}-{draws.pick(NOUNS)}-{draws.digits(3)}"
    return (scheme.group() if scheme else "") + "example.org" + path


def stand_in_for_address(value: str, draws: Draws) -> str:
    """Numbers become numbers, the kind of street stays, its name is invented."""
    named = False
    made, end = "", 0
    for match in re.finditer(r"\d+(?:st|nd|rd|th)?|[^\W\d_]+(?:['’-][^\W\d_]+)*", value):
        made += value[end : match.start()]
        end = match.end()
        word = match.group()
        if word.isdigit():
            made += other_number(word, draws)
        elif word[0].isdigit():
            made += other_number(word[:-2], draws) + "th"
        elif word == "and":
            made += word  # "5th and Main"
        elif len(word) == 1 or fold(word) in UNIT_WORDS | STREET_TYPES | FOREIGN_LEAD:
            made += (
                other_letter(word, draws)
                if len(word) == 1 and end - match.start() == 1 and match.start() and value[match.start() - 1].isdigit()
                else word
            )
        else:
            foreign = FOREIGN_TYPES.search(word)
            made += like(word, invented(draws) + (foreign.group().lower() if foreign and not named else "")) if not named else ""
            made = made.rstrip() if named else made
            named = True
    return renamed(value, made.rstrip(", ") + value[end:], draws)


def renamed(value: str, made: str, draws: Draws) -> str:
    """What was made, or where only kinds of things stand ("Park Lane"), the first of them as a name."""
    return (
        made
        if fold(made) != fold(value)
        else re.sub(r"[^\W\d_]+", lambda word: like(word.group(), invented(draws)), value, count=1)
    )


def other_number(digits: str, draws: Draws) -> str:
    while True:
        made = str(draws.random.randrange(1, 9)) + draws.digits(len(digits) - 1)
        if made != digits:
            return made


def other_letter(letter: str, draws: Draws) -> str:
    return like(letter, draws.pick([c for c in "ABCDEF" if c != letter.upper()]))


def stand_in_for_postcode(value: str, draws: Draws) -> str:
    """Valid in form, assigned to nobody: a British code ends in letters that none ends in, others begin with zeros."""
    british = re.fullmatch(r"(?i)([A-Z]{1,2}\d[A-Z\d]?)(\s?)(?:\d[A-Z]{2})?", value)
    if british:
        area = "".join(
            like(c, draws.pick([d for d in "ABCDEGHKLMNPRSTW" if d != c.upper()])) if c.isalpha() else draws.digits(1)
            for c in british.group(1)
        )
        tail = value[british.end(2) :]
        return area + british.group(2) + (draws.digits(1) + like(tail, draws.pick("CIKMOV") + draws.pick("CIKMOV")) if tail else "")
    if value.isdigit() and len(value) >= 4:
        return "00" + draws.digits(len(value) - 2)
    return scrambled(value, draws)


def stand_in_for_place(value: str, draws: Draws) -> str:
    """A town of the same country for a town, a part of it for a part, a country of the same continent for a country."""
    if value in US_STATES.split("|"):
        return draws.pick([state for state in US_STATES.split("|") if state != value])
    known, key = lexicon(), " ".join(re.findall(r"[^\W_]+", fold(value)))
    key = next((k for k in (key, fold(value), key.removeprefix("the ")) if k in known.countries), key)
    country = known.countries.get(key)
    flags = known.flags.get(key, 0)
    if country is None:
        return like(value, invented(draws))
    if flags & REGION or (not flags and key in known.countries and key not in known.continents and " " in key):
        pool = regions_of(country)
    elif key in known.continents or flags & COUNTRY:
        pool = countries_of(known.continents.get(key, "EU"))
    else:
        pool = towns_of(country, bool(flags & LARGE))
    free = [name for name in pool if name != key and name not in draws.taken]
    return like(value, draws.pick(free).title() if len(free) >= FEW else invented(draws))


@cache
def countries_of(continent: str) -> tuple[str, ...]:
    known = lexicon()
    return tuple(
        sorted(
            name
            for name, where in known.continents.items()
            if where == continent and not known.flags.get(name, 0) & (ORDINARY | NAME | PUBLIC)
        )
    )


@cache
def regions_of(country: str) -> tuple[str, ...]:
    known = lexicon()
    return tuple(
        sorted(
            name
            for name, code in known.countries.items()
            if code == country and known.flags.get(name, 0) & REGION and not known.flags[name] & (ORDINARY | NAME | PUBLIC)
        )
    )


@cache
def towns_of(country: str, large: bool) -> tuple[str, ...]:
    known = lexicon()
    wanted = CITY | LARGE if large else CITY
    return tuple(
        sorted(
            name
            for name, code in known.countries.items()
            if code == country
            and name.isalpha()
            and len(name) >= 4
            and (f := known.flags.get(name, 0)) & (CITY | LARGE) == wanted
            and not f & (ORDINARY | NAME | PUBLIC | REGION | COUNTRY)
        )
    )


def stand_in_for_organisation(value: str, draws: Draws) -> str:
    """An invented name; words such as "Ltd", "Hospital" and "Primary School" stay."""
    end, named, result = 0, False, ""
    for match in re.finditer(r"[^\W_]+(?:['’][^\W\d_]+)?", value):
        word = match.group()
        if fold(word) in KEPT_TYPES and not (match.start() == 0 and len(value) == len(word)):
            result += value[end : match.start()] + word
        elif not named:
            result += value[end : match.start()] + like(word if len(word) > 3 else word.title(), invented(draws))
            named = True
        end = match.end()
    return renamed(value, result + value[end:], draws)
