"""Organisations: the words of a text in; where somebody works, and where somebody learns, out.

An employer is what follows "work at" and the like; a company that is only talked about is none. A school is a name with "school",
"university" or "academy" beside it, or what follows "student at".
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import FUNCTION, KIN, SAYS, TIME
from heedful.privacy.identifiers.kinds import Identifier, Kind
from heedful.privacy.identifiers.lexicon import BRAND, CITY, FREQUENT, GIVEN, ORDINARY, PLACE, PUBLIC, SURNAME, lexicon
from heedful.privacy.identifiers.name_words import is_unknown
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

WORKS = word_set(
    """
    work works worked working job jobs employed hired fired sacked dismissed laid shift shifts intern internship interned
    manager supervisor boss colleagues colleague started start starting position role apprenticeship apprentice career contract
    contractor nurse carer cleaner driver engineer teacher developer cashier chef waitress waiter barista bartender receptionist
    accountant analyst consultant guard temp temping employee redundant quit resigned retired drive drives driving interview
    interviewed offer volunteer volunteered volunteering placement nights overtime years director chef stack stacking stacked
    shelves till tills assistant associate technician secretary porter paramedic picker packer programmer designer lawyer
    solicitor paralegal trainee rep salesman salesperson stacker ceo hr lads deliver
    """
)
WITH_WORKS = word_set(
    """
    job jobs employed intern internship interned apprenticeship apprentice career contract position role placement interview
    years driver started
    """
)
WORK_LINKS = frozenset(["at", "for", "by", "from", "with", "in"])
NO_WORK = word_set(
    """
    home night nights night's least all first last once work it me myself us him her them people free living money weekends days
    a an the this that my our their his your one two you day hand school least times half
    """
)
NOUNS = word_set(
    """
    company called named firm shop store place restaurant factory warehouse branch local big tech startup agency
    """
)
FIRM_NOUNS = word_set(
    """
    company firm business shop bakery salon agency startup cafe restaurant charity practice factory
    """
)
LEGAL = word_set(
    """
    ltd limited inc incorporated llc plc gmbh corp corporation pty llp sarl bv ag consulting holdings
    """
)
FIRMS = word_set("software technologies consulting logistics solutions enterprises industries holdings")
BODY = word_set(
    """
    hospital council trust clinic infirmary police bank airlines airport hotel group logistics solutions technologies software
    systems services industries enterprises associates partners foundation
    """
)
SCHOOLS = word_set(
    """
    school schools academy college university uni universities primary elementary grammar polytechnic poly kindergarten
    preschool secondary sixth institute seminary conservatoire high
    """
)
SCHOOL_TAIL = word_set(
    """
    high primary secondary middle elementary grammar junior infant infants girls boys prep preparatory community catholic sixth
    form school college university academy state technical nursery comprehensive
    """
)
STUDIES = word_set(
    """
    student studying study studied studies graduated graduate attend attends attended go goes went going enrolled freshman
    sophomore junior senior teach teaches taught teacher lecturer year yr fresher dropped transferred accepted got pupil
    professor phd masters degree expelled excluded kicked started start starts nursing
    """
)
GENERIC = word_set(
    """
    the a an my our his her their your this that high primary secondary middle elementary grammar boarding private public state
    local old new same medical law nursing business night summer sunday art community junior catholic girls boys big good bad
    whole at to in of from for and after before during through since until with about is was all nursery sixth form graduate
    grad every any some no another different first last next current former drama music dance film special med vet bible driving
    comprehensive
    """
)
OF_LINKS = frozenset(["of", "the", "and", "for"])
UNIVERSITIES = frozenset(
    "ucla ucl ucd lse mit nyu kcl uea uwe usc ucsd ucsb ucd dcu tcd nuig asu osu psu byu unc uva vcu gwu cuny suny "
    "lsu fsu ucf usf tamu ttu unt utsa uic uiuc umich umass uconn rutgers "
    "iit iim nit aiims jnu bhu unilag unilorin uniben uniport oau abu futa lasu uct wits uj ukzn unisa kNUST knust "
    "ug legon uon ku nus ntu smu hku cuhk hkust unsw uts rmit anu uq qut "
    "ubc uoft mcgill sfu yale harvard stanford princeton cornell dartmouth berkeley caltech oxford cambridge durham "
    "exeter lums nust iba eth epfl tum lmu sciences-po".lower().split()
)


def find_organisations(words: Words) -> Iterator[Identifier]:
    for place, key in enumerate(words.keys):
        if key in SCHOOLS:
            yield from school_around(words, place)
        if key in WORK_LINKS and cued(words, place, WITH_WORKS if key == "with" else WORKS, 4):
            yield from after_link(words, place, "employer")
        if (
            (key in ("at", "to", "from", "into", "in") and cued(words, place, STUDIES, 4))
            or key == "at"
            or (key == "of" and words.key(place - 1) == "out")
        ):
            yield from after_study(words, place)
        if key in FIRM_NOUNS and words.key(place + 1) in ("called", "named"):
            yield from after_link(words, place + 1, "employer")
        if key in LEGAL or (key in FIRMS and words.capital(place)):
            yield from before_legal(words, place)


def cued(words: Words, place: int, cues: frozenset[str], reach: int) -> bool:
    """Whether one of the cue words stands shortly before, in the same clause."""
    for back in range(place - 1, max(-1, place - 1 - reach), -1):
        if words.gap(back).strip(" -'"):
            return False
        if words.keys[back] in cues:
            return True
    return False


def after_link(words: Words, place: int, kind: Kind) -> Iterator[Identifier]:
    """What follows "work at": a known organisation in any case, or capitals, or a word that is in no list."""
    first = place + 1
    while words.gap(first - 1) == " " and words.key(first) in (
        "the",
        "a",
        "an",
        "my",
        "this",
        "local",
        "our",
        "called",
        "company",
        "firm",
        "named",
        "big",
    ):
        first += 1
    if first >= len(words) or words.gap(first - 1) not in (" ", ' "', " “", " '"):
        return
    phrase = words.phrases.get(first)
    if phrase and phrase[1] & BRAND:
        yield Identifier(words.starts[first], words.ends[capitals(words, phrase[0])], kind, 0.9)
        return
    flags, key = words.flags[first], words.keys[first]
    in_town = words.keys[place] in ("in", "from") and flags & PLACE and words.keys[place - 1] not in ("fired", "sacked")
    if words.cues[first] & (TIME | KIN) or in_town or (words.keys[place] == "in" and not flags & BRAND):
        return
    if words.capital(first) and (not words.cues[first] & FUNCTION or words.capital(first + 1)):
        last = capitals(words, first)
        named = (
            last == first and flags & (GIVEN | SURNAME) and words.keys[place] in ("with", "for", "by", "from") and not flags & BRAND
        )
        if not named and not (flags & PUBLIC and not flags & BRAND and last == first):
            yield Identifier(words.starts[first], words.ends[last], kind, 0.87)
    elif flags & BRAND and key not in NO_WORK and words.keys[place] in ("at", "for", "by", "with", "in"):
        yield Identifier(words.starts[first], words.ends[lower_tail(words, first)], kind, 0.85)
    elif is_lower_name(words, first) and words.keys[place] in ("at", "for"):
        yield Identifier(words.starts[first], words.ends[lower_tail(words, first)], kind, 0.7)


def is_lower_name(words: Words, place: int) -> bool:
    key = words.keys[place]
    return (
        key not in NO_WORK
        and not words.cues[place] & (FUNCTION | TIME | KIN | SAYS)
        and len(key) >= 3
        and (is_unknown(words, place) or (not words.flags[place] & ORDINARY and not words.flags[place] & GIVEN))
    )


def lower_tail(words: Words, place: int) -> int:
    while words.gap(place) == " " and (words.key(place + 1) in LEGAL | BODY or is_unknown(words, place + 1)):
        place += 1
    return place


def capitals(words: Words, first: int) -> int:
    """The last of the capitals that begin here, with "of", "and" and "&" between them."""
    last = first
    while last + 1 < len(words):
        gap, after = words.gap(last), last + 1
        if (
            gap in (" ", "-", " & ", "'", "’", "' ", "’ ", ". ")
            and words.capital(after)
            and not (gap == ". " and len(words.keys[last]) > 3)
            and not words.cues[after] & TIME
        ):
            last = after
        elif (
            gap in (" ", ", ")
            and words.keys[after] in OF_LINKS
            and words.gap(after) == " "
            and words.capital(after + 1)
            and words.key(after + 1) not in ("i", "my")
        ):
            last = after + 1
        elif gap == " " and words.keys[after] in LEGAL:
            last = after
        else:
            break
    return last


def before_legal(words: Words, place: int) -> Iterator[Identifier]:
    """ "Areavibes Inc": a company by its legal form."""
    if not words.capital(place) and words.keys[place] not in ("ltd", "llc", "plc", "inc", "gmbh"):
        return
    first = place
    while (
        first > 0
        and words.before(first) in (" ", " & ", "-", ", ")
        and (words.capital(first - 1) or words.keys[first - 1] == "and")
        and place - first < 4
    ):
        first -= 1
    while first < place and (words.cues[first] & FUNCTION or words.keys[first] == "and"):
        first += 1
    if first < place and words.capital(place - 1):
        yield Identifier(words.starts[first], words.ends[place], "employer", 0.86)


def school_around(words: Words, place: int) -> Iterator[Identifier]:
    """ "Moorside Primary School", "the University of Ibadan", "leeds beckett uni"."""
    key = words.keys[place]
    last = place
    while (
        words.gap(last) in (" ", "' ", "’ ")
        and words.key(last + 1) in SCHOOL_TAIL
        and (words.capital(last + 1) or not words.capital(place))
    ):
        last += 1
    if (
        key in ("university", "uni", "college", "institute", "school", "academy")
        and words.key(last + 1) == "of"
        and words.gap(last) == " "
    ):
        named = of_name(words, last + 1)
        if named is not None and (is_personal(words, words.starts[place], words.ends[named]) or cued(words, place, STUDIES, 4)):
            first = place
            while words.capital(first - 1) and words.before(first) == " " and not words.cue(first - 1) & FUNCTION:
                first -= 1
            if words.key(first - 1) == "the":
                first -= 1
            yield Identifier(words.starts[first], words.ends[named], "school", 0.92)
            return
    if key == "high" and last == place and not words.capital(place) and words.flag(place - 1) & (ORDINARY | GIVEN):
        return
    if key in ("sixth", "institute", "high", "primary", "secondary", "elementary") and words.key(place - 1) in GENERIC:
        return
    first = school_start(words, place)
    if first < place and (words.capital(place) or is_school_lower(words, first, place)) and is_personal_school(words, first, last):
        yield Identifier(words.starts[first], words.ends[last], "school", 0.9)


def of_name(words: Words, of: int) -> int | None:
    """The last word of what follows "University of"."""
    first = of + 1
    if words.key(first) == "the":
        first += 1
    if words.capital(first):
        return capitals(words, first)
    phrase = words.phrases.get(first)
    if phrase and phrase[1] & PLACE:
        return phrase[0]
    return first if words.flag(first) & PLACE and not words.flag(first) & ORDINARY else None


def school_start(words: Words, place: int) -> int:
    """The first word of a school's name that ends here."""
    first = place
    while first > 0 and words.before(first) in (" ", "' ", "’ ", "-", " & ", ". ") and place - first < 5:
        before = first - 1
        kind = words.keys[before] in SCHOOL_TAIL | frozenset(("st", "saint", "our"))
        if (
            (
                words.capital(before)
                and (
                    kind
                    or (
                        not (words.cues[before] & (FUNCTION | TIME) and words.keys[before] not in ("first", "new"))
                        and not (
                            words.begins(before)
                            and words.flags[before] & ORDINARY
                            and not words.flags[before] & (CITY | GIVEN | SURNAME)
                        )
                    )
                )
            )
            or (
                not words.capital(place)
                and (kind or not words.flags[before] & ORDINARY or (first == place and words.flags[before] & PLACE))
                and words.keys[before] not in GENERIC - SCHOOL_TAIL
                and not words.cues[before] & FUNCTION
            )
            or (kind and first < place)
            or (words.keys[before] in ("of", "and") and first < place and words.capital(before - 1))
        ):
            first = before
        else:
            break
    while first < place and words.keys[first] in GENERIC and not words.capital(first):
        first += 1
    return first


def is_school_lower(words: Words, first: int, place: int) -> bool:
    """In lower case at least one word must be no ordinary one: "my old high school" is no name."""
    return any(
        not words.flags[k] & ORDINARY or (words.flags[k] & PLACE and not words.flags[k] & FREQUENT) for k in range(first, place)
    )


def is_personal_school(words: Words, first: int, last: int) -> bool:
    """A name of its own, and somebody's: not "Law School", not the university of a study that is quoted."""
    names = [k for k in range(first, last + 1) if words.keys[k] not in SCHOOLS | SCHOOL_TAIL | GENERIC]
    return bool(names) and (is_personal(words, words.starts[first], words.ends[last]) or cued(words, first, STUDIES, 4))


def after_study(words: Words, place: int) -> Iterator[Identifier]:
    """ "student at Imperial College", "dropped out of UCLA", "got into Yale"."""
    first = place + 1
    if words.key(first) == "the":
        first += 1
    if (
        words.gap(first - 1) == " "
        and words.key(first) in UNIVERSITIES
        and words.key(first + 1) not in SCHOOLS
        and (words.capital(first) or words.key(place) == "at")
    ):
        town = (
            words.flag(first) & CITY
            and words.key(place) in ("to", "from", "in")
            and words.key(place - 1) not in ("got", "accepted", "transferred", "graduated")
        )
        if not town:
            yield Identifier(words.starts[first], words.ends[first], "school", 0.86)


__all__ = ["find_organisations", "lexicon", "re"]
