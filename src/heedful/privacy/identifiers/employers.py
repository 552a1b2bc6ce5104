"""Employers: the words of a text in; where somebody works, out.

An employer is what follows "work at" and the like; a company that is only talked about is none.
"""

from collections.abc import Iterator

from heedful.privacy.identifiers.cues import FUNCTION, KIN, SAYS, TIME
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import BRAND, FREQUENT, GIVEN, ORDINARY, PLACE, PUBLIC, SURNAME
from heedful.privacy.identifiers.name_unknown import is_unknown
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import TITLE, Words

WORKS = word_set(
    """
    work works worked working job jobs employed hired fired sacked dismissed laid shift shifts intern internship interned
    manager supervisor boss colleagues colleague started start starting position role apprenticeship apprentice career contract
    contractor nurse carer cleaner driver engineer teacher developer cashier chef waitress waiter barista bartender receptionist
    accountant analyst consultant guard temp temping employee redundant quit resigned retired drive drives driving interview
    interviewed offer volunteer volunteered volunteering placement nights overtime years director chef stack stacking stacked
    shelves till tills assistant associate technician secretary porter paramedic picker packer programmer designer lawyer
    solicitor paralegal trainee rep salesman salesperson stacker ceo hr lads deliver cop officer agent clerk pilot plumber builder
    electrician mechanic delivering night coworker coworkers workmate workmates clean cleaning cook cooking serve serving
    join joined waitressing bartend bartends bartending babysit babysitting nannying locum lecture lecturing tutor tutoring centre
    center security manage manages managing freelance freelancing hr kitchen delivers agency callcentre warehouse cleans
    """
)
WITH_WORKS = word_set(
    """
    job jobs employed intern internship interned apprenticeship apprentice career contract position role placement interview
    years driver started cop officer nurse teacher engineer working worked pilot agent contractor
    """
)
ENDS = word_set("quit joined quitting joining")
CUT = word_set("fired sacked off dismissed resigned retired redundant")
# What one quits without having worked there.
SERVICES = word_set("facebook twitter tiktok netflix meta google spotify ebay uber amazon")
WORK_LINKS = frozenset(["at", "for", "by", "from", "with", "in", "w"])
NO_WORK = word_set(
    """
    home night nights night's least all first last once work it me myself us him her them people free living money weekends days
    a an the this that my our their his your one two you day hand school least times half few couple number whole long hours months
    weeks years example instance lunch dinner breakfast minimum pennies peanuts
    """
)
NOUNS = word_set(
    """
    company called named firm shop store place restaurant factory warehouse branch local big tech startup agency
    """
)
FIRM_NOUNS = word_set(
    """
    company firm business shop bakery salon agency startup cafe restaurant charity practice factory employer workplace pub bar
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
FACILITIES = word_set(
    """
    hospital clinic surgery infirmary hospice counselling counseling pharmacy church chapel mosque masjid temple gurdwara
    synagogue cathedral home rehab centre center prison barracks
    """
)
KINDS_OF_CARE = word_set(
    """
    mental health general community medical day care nursing residential psychiatric children's childrens university private state
    my the a our your their this local at in from i speech group family talking art drama music physical occupational cognitive
    behavioural behavioral schema exposure couples marriage online
    """
)
STAFF = word_set("warehouse worker workers driver employee cashier barista staff manager picker courier nurse store shelves")
SERVICES_ALONE = word_set("next gap delta shell boots target meta apple")
ORG_NOUNS = word_set(
    """
    store warehouse depot branch factory shop cafe pub bar restaurant hotel bakery garage salon clinic hospital surgery nursery
    council bank airport station distribution centre center care home nursing group call express
    """
)
OF_LINKS = frozenset(["of", "the", "and", "for"])


def find_employers(words: Words) -> Iterator[Identifier]:
    for place, key in enumerate(words.keys):
        if key in WORK_LINKS and cued(words, place, WITH_WORKS if key in ("with", "w") else WORKS, 4):
            yield from after_link(words, place)
        if key in FIRM_NOUNS and words.key(place + 1) in ("called", "named"):
            yield from after_link(words, place + 1)
        if key in FACILITIES and words.capital(place):
            yield from before_facility(words, place)
        if key in ENDS or key in ("with", "from", "at", "work", "works", "worked"):
            yield from known_firm(words, place)
        if key in FIRM_NOUNS or key == "for":
            yield from own_firm(words, place)
        if words.flags[place] & BRAND and words.key(place + 1) in STAFF and words.keys[place] not in SERVICES_ALONE:
            yield Identifier(words.starts[place], words.ends[place], "employer", 0.8)
        if key in WORKS and words.gap(place) == " @ ":
            yield from after_link(words, place)
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


def after_link(words: Words, place: int) -> Iterator[Identifier]:
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
    if first >= len(words) or words.gap(first - 1) not in (" ", ' "', " “", " '", " @ "):
        return
    phrase = words.phrases.get(first)
    if phrase and phrase[1] & BRAND:
        yield Identifier(words.starts[first], words.stops[org_tail(words, capitals(words, phrase[0]))], "employer", 0.9)
        return
    flags, key = words.flags[first], words.keys[first]
    in_town = (
        words.keys[place] in ("in", "from")
        and flags & PLACE
        and not flags & BRAND
        and words.keys[place - 1] not in ("fired", "sacked")
    )
    if words.cues[first] & (TIME | KIN) or in_town or (words.keys[place] == "in" and not flags & BRAND):
        return
    if words.capital(first) and (not words.cues[first] & FUNCTION or words.capital(first + 1)):
        last = capitals(words, first)
        named = (
            last == first
            and flags & (GIVEN | SURNAME)
            and words.keys[place] in ("with", "w", "for", "by", "from")
            and not flags & BRAND
        )
        if not named and not (flags & PUBLIC and not flags & BRAND and last == first):
            yield Identifier(words.starts[first], words.stops[org_tail(words, last)], "employer", 0.87)
    elif flags & BRAND and key not in NO_WORK and not is_plain(words, place, first):
        yield Identifier(words.starts[first], words.stops[org_tail(words, lower_tail(words, first))], "employer", 0.85)
    elif is_lower_name(words, first) and words.keys[place] in ("at", "for"):
        yield Identifier(words.starts[first], words.ends[lower_tail(words, first)], "employer", 0.7)


def is_plain(words: Words, link: int, first: int) -> bool:
    """ "for the next few weeks": the name of a firm that is a frequent word needs "at" right before it."""
    frequent = bool(words.flags[first] & FREQUENT)
    return frequent and (first > link + 1 or words.keys[link] != "at")


def known_firm(words: Words, place: int) -> Iterator[Identifier]:
    """ "quit Starbucks", "I'm with Accenture", "Arjun from Wipro": a firm that everyone knows, behind what one does with a job."""
    first, key = place + 1, words.keys[place]
    if first >= len(words) or words.gap(place) != " ":
        return
    before = words.key(place - 1)
    phrase = words.phrases.get(first)
    flags = phrase[1] if phrase else words.flags[first]
    named = words.capital(first) or not words.flags[first] & ORDINARY
    if not flags & BRAND or not named or (flags & PUBLIC and not words.capital(first)) or words.keys[first] in SERVICES:
        return
    with_one = key in ("with", "at") and before in ("i'm", "im", "am", "been", "he's", "she's")
    person = words.flag(place - 1) & (GIVEN | SURNAME) and words.capital(place - 1)
    from_one = key == "from" and (person or before in CUT)
    if key in ENDS or key.startswith("work") or with_one or from_one:
        yield Identifier(words.starts[first], words.stops[phrase[0] if phrase else first], "employer", 0.86)


def own_firm(words: Words, place: int) -> Iterator[Identifier]:
    """ "our startup, Looply", "my salon Cut Above", "the company i work for, Brightline"."""
    first, gap = place + 1, words.gap(place)
    if words.keys[place] == "for":
        owned = words.key(place - 1) in ("work", "works", "worked") and gap == ", "
    else:
        owned = any(words.key(place - back) in ("my", "our", "own", "his", "her") for back in (1, 2))
    if (
        owned
        and gap in (" ", ", ")
        and words.capital(first)
        and words.shapes[first] == TITLE
        and not words.cues[first] & (FUNCTION | TIME)
    ):
        yield Identifier(words.starts[first], words.stops[capitals(words, first)], "employer", 0.9)


def is_lower_name(words: Words, place: int) -> bool:
    key = words.keys[place]
    return (
        key not in NO_WORK
        and not words.cues[place] & (FUNCTION | TIME | KIN | SAYS)
        and len(key) >= 3
        and (is_unknown(words, place) or (not words.flags[place] & ORDINARY and not words.flags[place] & GIVEN))
    )


def org_tail(words: Words, last: int) -> int:
    """ "Morrisons distribution centre": what kind of place it is belongs to its name."""
    end = last
    while words.gap(end) == " " and words.key(end + 1) in ORG_NOUNS and end - last < 3:
        end += 1
    return end


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


def before_facility(words: Words, place: int) -> Iterator[Identifier]:
    """ "Willow Counselling", "the Royal Oldham Hospital": a place of care or worship that somebody goes to, by its name."""
    first = place
    while (
        first > 0 and words.before(first) in (" ", "' ", "’ ", "-", " & ", ". ") and words.capital(first - 1) and place - first < 4
    ):
        first -= 1
    while first < place and (words.keys[first] in KINDS_OF_CARE or (words.begins(first) and words.flags[first] & FREQUENT)):
        first += 1
    named = any(words.keys[k] not in FACILITIES and words.keys[k] not in KINDS_OF_CARE for k in range(first, place))
    if words.keys[place] in ("counselling", "counseling") and words.key(first - 1) not in ("at", "with", "from", "to"):
        return  # a kind of counselling, not a practice
    if named and is_personal(words, words.starts[first], words.ends[place]):
        yield Identifier(words.starts[first], words.ends[place], "employer", 0.88)


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
