"""Schools: the words of a text in; where somebody learns or teaches, out.

A school is a name with "school", "university" or "academy" beside it, or what follows "student at".
"""

from collections.abc import Iterator

from heedful.privacy.identifiers.cues import FUNCTION, TIME
from heedful.privacy.identifiers.employers import capitals, cued
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import BRAND, CITY, FREQUENT, GIVEN, ORDINARY, PLACE, SURNAME
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

SCHOOLS = word_set(
    """
    school schools academy college university uni universities primary elementary grammar polytechnic poly kindergarten
    preschool secondary sixth institute seminary conservatoire high nursery preschool montessori daycare gymnasium madrasa vidyalaya
    """
)
OWNERS = frozenset(("my", "his", "her", "our", "their"))
CAPITAL_ONLY = word_set("nursery preschool montessori daycare gymnasium madrasa")
STUDENTS = word_set(
    """
    student studying studied study graduated degree phd masters professor lecturer undergrad sophomore freshman fresher enrolled
    scholarship dropped expelled postgrad bachelors diploma bsc msc mba llb pgce transferred form yr year grade teacher teach
    teaches taught pupil
    """
)
# Words that stand before a school's own name, without accents.
LEADING = word_set(
    """
    colaiste scoil gaelscoil lycee college colegio escuela instituto liceo istituto universidad universidade universite universita
    universitat universiteit gymnasium gesamtschule grundschule realschule hochschule szkola uniwersytet sekolah universitas
    ecole montessori madrasa
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
    rejected offer applied interview phd degree class classes uni college school
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
UNIVERSITIES = word_set(
    """
    abu aiims anu asu auburn babcock baylor berkeley bhu brandeis byu caltech cambridge clemson cornell covenant cuhk cuny
    dartmouth dcu dedan duke durham emory epfl eth eton exeter fsu futa gonzaga gordonstoun gwu harrow harvard hku hkust
    howard iba iim iit jnu kcl knust ku lasu legon lmu loyola lse lsu lums makerere mcgill mit morehouse nit ntu nuig nus
    nust nyu oau osu oxford princeton psu purdue qut rice rmit roedean rutgers sciences-po sfu smu spelman stanford
    strathmore suny tamu tcd ttu tu tufts tulane tum ubc uc ucd ucf ucl ucla uconn ucsb ucsd uct uea ug uic uiuc uj ukzn
    umass umich unc uniben unilag unilorin uniport unisa unsw unt uoft uon uq usc usf usiu uts utsa uva uwe vanderbilt
    vassar vcu villanova wellesley wits yale
    """
)


def find_schools(words: Words) -> Iterator[Identifier]:
    for place, key in enumerate(words.keys):
        if key in SCHOOLS:
            yield from school_around(words, place)
        if key in ("school", "college", "uni", "university") and words.key(place - 1) in OWNERS:
            yield from named_school(words, place)
        if key in ("at", "to", "from") and words.key(place + 1) in ("st", "saint") and not words.capital(place + 1):
            yield from lower_saint(words, place + 1)
        if key == "state":
            yield from before_state(words, place)
        if key in LEADING and words.capital(place):
            yield from after_leading(words, place)
        studies = key in ("at", "to", "from", "into", "in") and cued(words, place, STUDIES, 4)
        if studies or key == "at" or (key == "of" and words.key(place - 1) == "out"):
            yield from after_study(words, place)


def before_state(words: Words, place: int) -> Iterator[Identifier]:
    """ "Ohio State", "Penn State"."""
    before = place - 1
    named = words.capital(place) and words.capital(before) and words.gap(before) == " "
    if (
        named
        and (words.flags[before] & PLACE or words.key(before) == "penn")
        and words.key(place + 1) not in ("police", "prison", "hospital")
    ):
        first = before - 1 if before - 1 in words.phrases else before
        if is_personal(words, words.starts[first], words.ends[place]) and words.key(first - 1) != "the":
            yield Identifier(words.starts[first], words.ends[place], "school", 0.9)


def after_strong(words: Words, first: int) -> Iterator[Identifier]:
    """ "did my degree at Anglia Ruskin": capitals where only a school stands."""
    plain = words.cues[first] & (FUNCTION | TIME) or words.keys[first] in GENERIC or words.flags[first] & BRAND
    if words.capital(first) and not plain:
        yield Identifier(words.starts[first], words.stops[capitals(words, first)], "school", 0.88)


def named_school(words: Words, place: int) -> Iterator[Identifier]:
    """ "my school is Park View"."""
    first = place + 2
    if words.key(place + 1) in ("is", "was", "called") and words.capital(first) and not words.cue(first) & (FUNCTION | TIME):
        yield Identifier(words.starts[first], words.stops[capitals(words, first)], "school", 0.88)


def lower_saint(words: Words, first: int) -> Iterator[Identifier]:
    """ "im at st judes"."""
    name = first + 1
    if (
        name < len(words)
        and words.gap(first) in (" ", ". ")
        and not words.cues[name] & FUNCTION
        and not words.flags[name] & FREQUENT
    ):
        yield Identifier(words.starts[first], words.stops[name], "school", 0.86)


def after_leading(words: Words, place: int) -> Iterator[Identifier]:
    """ "Coláiste Bríde", "Lycée Montaigne", "Universidad de Chile"."""
    first = place + 1
    while words.key(first) in ("de", "di", "da", "del", "do", "la", "fur", "der") and words.gap(first - 1) == " ":
        first += 1
    if words.capital(first) and words.gap(first - 1) == " " and not words.cue(first) & FUNCTION:
        yield Identifier(words.starts[place], words.ends[capitals(words, first)], "school", 0.91)


def after_saint(words: Words, first: int) -> Iterator[Identifier]:
    """ "i go to St Mary's": a saint's school goes by the saint."""
    last = first + 1
    saint = words.key(first) in ("st", "saint", "sacred", "holy") and words.gap(first) in (" ", ". ")
    if saint and words.capital(last) and words.key(last + 1) not in ("hospital", "church", "street"):
        yield Identifier(words.starts[first], words.stops[last], "school", 0.88)


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
        if named is not None and (
            key == "uni" or is_personal(words, words.starts[place], words.ends[named]) or cued(words, place, STUDIES, 4)
        ):
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
    if key in CAPITAL_ONLY and not words.capital(place):
        return
    first, last = school_start(words, place), with_town(words, last)
    if first < place and (words.capital(place) or is_school_lower(words, first, place)) and is_personal_school(words, first, last):
        yield Identifier(words.starts[first], words.ends[last], "school", 0.9)


def with_town(words: Words, last: int) -> int:
    """ "King's College London", "IIT Bombay": the town behind belongs to the name."""
    after = last + 1
    town = words.capital(last) and words.capital(after) and words.gap(last) == " " and words.flags[after] & PLACE
    return after if town else last


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
        if (
            not words.capital(place)
            and words.stops[before] > words.ends[before]
            and words.flags[before] & GIVEN
            and not is_saint(words, before)
        ):
            break  # "Sarah's school" is no name of a school
        kind = words.keys[before] in SCHOOL_TAIL | frozenset(("st", "saint", "our"))
        if (
            (
                words.capital(before)
                and (
                    kind
                    or (
                        not (words.cues[before] & (FUNCTION | TIME) and not is_part(words, before))
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


def is_part(words: Words, place: int) -> bool:
    """A small word inside a name: "New Hall School", "Cheltenham Ladies' College"."""
    return words.keys[place] in ("first", "new", "ladies", "gentlemen", "all", "great", "our", "lady")


def is_saint(words: Words, place: int) -> bool:
    return words.key(place - 1) in ("st", "saint")


def is_school_lower(words: Words, first: int, place: int) -> bool:
    """In lower case at least one word must be no ordinary one: "my old high school" is no name."""
    return any(
        not words.flags[k] & ORDINARY or (words.flags[k] & PLACE and not words.flags[k] & FREQUENT) for k in range(first, place)
    )


def is_personal_school(words: Words, first: int, last: int) -> bool:
    """A name of its own, and somebody's: not "Law School", not the university of a study that is quoted."""
    names = [k for k in range(first, last + 1) if words.keys[k] not in SCHOOLS | SCHOOL_TAIL | GENERIC]
    told = words.keys[last] == "uni" or words.key(last + 1) in STUDIES or cued(words, first, STUDIES, 4)
    return bool(names) and (told or is_personal(words, words.starts[first], words.ends[last]))


def after_study(words: Words, place: int) -> Iterator[Identifier]:
    """ "student at Imperial College", "dropped out of UCLA", "got into Yale"."""
    first = place + 1
    if words.key(first) == "the":
        first += 1
    if words.gap(first - 1) == " " and words.capital(first):
        yield from after_saint(words, first)
        strong = words.key(place) in ("at", "of") or words.key(place - 1) in ("graduated", "expelled", "transferred", "scholarship")
        if strong and cued(words, place, STUDENTS, 4):
            yield from after_strong(words, first)
    if (
        words.gap(first - 1) == " "
        and words.key(first) in UNIVERSITIES
        and words.key(first + 1) not in SCHOOLS
        and (words.capital(first) or words.key(place) == "at" or not words.flags[first] & (ORDINARY | CITY))
    ):
        town = (
            words.flag(first) & CITY
            and words.key(place) in ("to", "from", "in")
            and words.key(place - 1) not in ("got", "accepted", "transferred", "graduated", "rejected", "offer")
        )
        if not town:
            yield Identifier(words.starts[first], words.ends[with_town(words, first)], "school", 0.91)
