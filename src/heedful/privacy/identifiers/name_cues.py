"""Name cues: the words of a text in; the places that are announced as names by what stands around them, out.

Each rule is a function of the words and the place of the word that triggers it. `RULES` says which word triggers which.
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import DOES, FUNCTION, GREETING, KIN, PET, SAYS, THANKS, TIME, TITLE
from heedful.privacy.identifiers.lexicon import BRAND, COUNTRY, FREQUENT, GIVEN, ORDINARY, PUBLIC, REGION, SURNAME
from heedful.privacy.identifiers.name_greetings import addressed, after_greeting, sign_off
from heedful.privacy.identifiers.name_slots import AUXILIARIES, DETERMINERS
from heedful.privacy.identifiers.name_unknown import LIKELY, NO, POSSIBLE, SURE, is_unknown
from heedful.privacy.identifiers.name_words import is_given, is_name_word, is_nameable
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import TITLE as MIXED
from heedful.privacy.identifiers.words import Words

OWNERS = frozenset(["my", "his", "her", "their", "our", "your"])
NAME_OWNERS = OWNERS | word_set(
    """
    full first last maiden middle real birth legal given family pet sons daughters husbands wifes mums dads name's user the
    """
)
FINITE = word_set(
    "is was isn't wasn't has had said says told hates loves died thinks keeps won't wont left went got came does didn't doesn't"
)
NOT_CALLED = word_set(
    "crazy names maybe anytime anything whatever whenever tomorrow asap stupid dumb selfish paranoid naive dramatic weird"
)
NO_PETS = word_set("food bed walker toy sitter lover owner person hair lead collar park and or")
BE = word_set("is was be its it's s as are")
THINGS = word_set(
    """
    it its it's which that's thing app book drug pill medication band game show song film movie series podcast pub place company
    disorder condition site website bakery business firm shop salon agency startup cafe restaurant school charity gym church
    street road
    """
)
SHORTENED = word_set("dr mr mrs ms mx miss prof rev sgt pc dc fr sr sra mme st cllr capt det insp supt hon")
NICKNAMED = word_set("big little lil wee fat young old mad crazy tall skinny")
PREFIXES = frozenset(["al", "el", "abdul", "abd"])
INTRODUCED_BY = {",": 1, "(": 1, ":": 1, "-": 1, "": 0}


def by_cue(words: Words) -> Iterator[tuple[int, float]]:
    """Places of words that a cue announces as names."""
    for place, cue in enumerate(words.cues):
        key = words.keys[place]
        if key in RULES:
            yield from RULES[key](words, place)
        if cue & TITLE:
            yield from after_title(words, place)
        if cue & (KIN | PET):
            yield from after_kin(words, place)
        if cue & (GREETING | THANKS):
            yield from after_greeting(words, place)
    yield from sign_off(words)
    yield from addressed(words)


def after_title(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """Dr X, Mrs X, Auntie X."""
    gap, following = words.gap(place), place + 1
    initial = following < len(words) and len(words.keys[following]) == 1 and words.keys[following] not in ("i", "a", "u")
    if gap not in (" ", ". ", ".") or not (initial or is_nameable(words, following)):
        return
    if words.phrases.get(place, (0, 0))[1] & PUBLIC or ("." in gap and words.keys[place] not in SHORTENED):
        return  # "Dr Phil", "about his father. Homework set"
    flags, relative = words.flags[following], bool(words.cues[place] & KIN)
    if words.capital(following):
        if (
            flags & (GIVEN | SURNAME)
            or words.keys[place] in SHORTENED
            or not flags & (BRAND | ((PUBLIC | FREQUENT) if relative else 0))
        ):
            yield following, SURE
    elif words.keys[place] not in ("miss", "sir", "captain", "judge", "chief", "officer", "lady", "coach", "nurse", "constable"):
        known = flags & (GIVEN | SURNAME) and not flags & (FREQUENT if not relative else ORDINARY)
        if known or (is_unknown(words, following) and not relative):
            yield following, LIKELY
    elif is_name_word(words, following) or (flags & SURNAME and not flags & ORDINARY):
        yield following, LIKELY
    if len(words.keys[following]) == 1 and (words.capital(following) or words.keys[place] in ("mr", "mrs", "ms", "miss", "dr")):
        yield following, LIKELY  # "Miss T"
    elif relative and flags & GIVEN and not flags & FREQUENT and not words.capital(following) and says_or_ends(words, following):
        yield following, LIKELY  # "nanna pearl"


def after_kin(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """My sister X; my sister, X; my sister is X."""
    if words.stops[place] > words.ends[place]:
        return
    if not is_owned(words, place):
        if is_called_by_role(words, place + 1):
            yield place + 1, LIKELY
        return
    if words.key(place + 1) == "in" and words.key(place + 2) == "law":  # "my father in law X"
        place += 2
    following, gap = place + 1, words.gap(place).strip()
    if gap == "" and words.key(following) in NICKNAMED and words.gap(following) == " " and is_given(words, following + 1):
        yield following, LIKELY  # "my sponsor big mike"
        yield following + 1, LIKELY
        return
    if gap == "" and is_verb_name(words, following):
        yield following, LIKELY
    elif gap == "" and words.key(following) in ("is", "was", "are"):
        if words.capital(following + 1) and introduced(words, following + 1):
            yield following + 1, LIKELY
    elif gap == "" and is_initial_of(words, following):
        yield following, LIKELY
    elif gap in INTRODUCED_BY and is_nameable(words, following):
        score = score_after_kin(words, place, following, gap)
        if score:
            yield following, score


def score_after_kin(words: Words, place: int, following: int, gap: str) -> float:
    flags = words.flags[following]
    if words.cues[following] & TIME and gap:
        return NO
    if words.keys[following] in PREFIXES and words.gap(following) == "-" and words.flag(following + 1) & GIVEN:
        return SURE
    if (flags & (PUBLIC | COUNTRY | REGION) and not flags & GIVEN) or words.cues[following] & (KIN | SAYS):
        return NO
    if words.capital(following):
        rare = not flags & FREQUENT and words.shapes[following] == MIXED and not words.shouting and says_or_ends(words, following)
        return SURE if flags & GIVEN or not flags & ORDINARY or words.cues[place] & PET or rare else NO
    if is_name_word(words, following):
        return SURE
    return LIKELY if gap == "" and is_lower_after_kin(words, place, following) else NO


def is_initial_of(words: Words, place: int) -> bool:
    """ "my friend M": one capital that is no "I"."""
    return words.capital(place) and len(words.key(place)) == 1 and words.key(place) not in ("i", "a", "u")


def is_called_by_role(words: Words, place: int) -> bool:
    """ "midwife Fatou held my hand": no list has it, and a role stands before it."""
    capital = is_nameable(words, place) and words.before(place) == " " and words.shapes[place] == MIXED and not words.shouting
    return capital and is_unknown(words, place)


def is_lower_after_kin(words: Words, place: int, following: int) -> bool:
    """A word in lower case that is a plain word too, or in no list."""
    if is_ordinary_name(words, place, following):
        return True
    ends = says_or_ends(words, following)
    owned = words.keys[following] == "page"  # "my brothers page"
    return (is_given(words, following) and ends and not owned) or (
        is_unknown(words, following) and (ends or bool(words.cue(following + 1)))
    )


def is_ordinary_name(words: Words, place: int, following: int) -> bool:
    """ "my cat mittens died", "told my friend bee about it": a plain word behind whom one has."""
    acts = bool(words.cue(following + 1) & SAYS) or words.key(following + 1) in ("is", "was", "has")
    if words.cues[place] & KIN and words.cue(following + 1) & SAYS and is_rare_noun(words, following):
        return True  # "my gf sapphire thinks"
    if words.cues[place] & PET:
        return acts and words.keys[following] not in NO_PETS and not words.cues[following] & (DOES | FUNCTION)
    told = any(words.key(place - back) in ("told", "asked", "texted", "tell") for back in (2, 3))
    return told and is_given(words, following) and words.key(following + 1) in ("about", "that", "i", "to", "everything")


def is_rare_noun(words: Words, place: int) -> bool:
    """No frequent word, and by its ending neither an adverb nor a verb."""
    plain = words.flags[place] & FREQUENT or words.cues[place]
    return not plain and not words.keys[place].endswith(("ly", "ed", "ing", "s")) and words.shapes[place] != MIXED


def is_verb_name(words: Words, place: int) -> bool:
    """ "my sister may is pregnant": a word that is a name and a verb, with another verb behind it."""
    return words.key(place) in AUXILIARIES and bool(words.flag(place) & GIVEN) and words.key(place + 1) in FINITE


def is_owned(words: Words, place: int) -> bool:
    """ "my best friend", "Ravi's mum", "this girl"."""
    for back in range(1, 4):
        before = place - back
        if before < 0 or words.gap(before).strip() not in ("", "'", "-"):
            return False
        if words.keys[before] in DETERMINERS or words.stops[before] > words.ends[before] or words.keys[before] == "called":
            return True
    return False


def says_or_ends(words: Words, place: int) -> bool:
    """Whether an ordinary word that is a name too is followed by what a person does, or by nothing."""
    does = words.cue(place + 1) & (SAYS | DOES) or words.key(place + 1).endswith("ed")
    ends = place + 1 == len(words) or words.gap(place).strip() != ""
    return ends or bool(does) or words.stops[place] > words.ends[place]


def introduced(words: Words, place: int) -> bool:
    """After "I'm" or "this is": a name, not a feeling, a people or a diagnosis."""
    if not is_nameable(words, place) or words.flags[place] & (PUBLIC | COUNTRY | REGION):
        return False
    if words.capital(place):
        return is_given(words, place) or not words.flags[place] & ORDINARY
    return is_name_word(words, place)


def after_name(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """My name is X; her maiden name was X; name: X; last name? X."""
    following, gap = place + 1, words.gap(place).strip()
    owned = (
        words.key(place - 1) in NAME_OWNERS
        or words.keys[place] == "nickname"
        or (place and words.stops[place - 1] > words.ends[place - 1])
    )
    if gap not in ("", ":", "?", "=", "-", '"') or not (owned or gap in (":", "=")):
        return
    be = words.stops[place] > words.ends[place]
    while words.key(following) in BE:
        following, be = following + 1, True
    if words.key(place - 1) == "the" and not be:
        return
    if be or gap or words.keys[place] in ("names", "name"):
        yield from accepted_name(words, following, be or bool(gap))


def accepted_name(words: Words, place: int, sure: bool) -> Iterator[tuple[int, float]]:
    """What follows "my name is": nearly anything but a function word."""
    if not 0 <= place < len(words):
        return
    flags, function = words.flags[place], words.cues[place] & FUNCTION
    if (words.capital(place) and not (function and not flags & GIVEN)) or (flags & GIVEN and (sure or not flags & ORDINARY)):
        yield place, SURE
    elif sure and not function and words.key(place + 1) == "" and not flags & FREQUENT:
        yield place, LIKELY  # "nickname is peanut"
    elif not function and not flags & ORDINARY and len(words.keys[place]) >= 2:
        yield place, SURE if sure else LIKELY


def after_called(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """A girl called X; call me X; known as X."""
    following = place + 1
    me = words.key(following) in ("me", "him", "her", "them", "myself")
    if words.keys[place] in ("call", "calls", "calling", "called") and me:
        following += 1
    elif words.keys[place] in ("call", "calls", "calling"):
        return
    elif words.keys[place] == "named" and words.key(following) in ("him", "her", "them", "my", "our", "the"):
        following += 1
        following += bool(words.cue(following) & KIN)
    elif words.key(place - 1) in THINGS or words.key(place - 2) in THINGS:
        return
    while words.key(following) in ("as", "after"):
        following += 1
    if words.gap(following - 1).strip(" \"'“‘:") or not is_nameable(words, following):
        return
    flags = words.flags[following]
    if flags & (PUBLIC | COUNTRY | REGION):
        return
    plain = FREQUENT if words.keys[place] == "named" or me else ORDINARY
    capital = words.capital(following) and (flags & GIVEN or not flags & plain)
    last = following + 1 == len(words) or words.gap(following).strip() != ""
    if (
        last
        and words.keys[place] in ("call", "named", "nicknamed")
        and words.keys[following] not in NOT_CALLED
        and (not flags & FREQUENT or words.keys[place] == "named")
    ):
        yield following, LIKELY  # "you can call me bean"
    if capital or is_name_word(words, following):
        yield following, SURE
    elif (is_given(words, following) and not flags & FREQUENT) or is_unknown(words, following):
        yield following, LIKELY


def after_i_am(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """I'm X; I am X; it's me, X."""
    following = place + 1
    if words.keys[place] == "i":
        if words.key(following) != "am":
            return
        following += 1
    if words.gap(following - 1).strip() not in ("", ","):
        return
    yield from self_named(words, following)


def self_named(words: Words, place: int) -> Iterator[tuple[int, float]]:
    if introduced(words, place):
        yield place, LIKELY
    elif 0 <= place < len(words) and names_itself(words, place):
        yield place, POSSIBLE


def names_itself(words: Words, place: int) -> bool:
    """ "im will, 19", "im zorb from leeds": no list decides, what follows does."""
    if (words.cues[place] & (FUNCTION | TIME) and not words.flags[place] & GIVEN) or words.flags[place] & (
        PUBLIC | COUNTRY | REGION
    ):
        return False
    rest = words.text[words.stops[place] : words.stops[place] + 12]
    goes_on = re.match(r"\s*[,(]?\s*(?:(?:age[d]?\s*)?\d\d?\b|from\b|btw\b|aka\b|here\b)", rest)
    return goes_on is not None and (bool(words.flags[place] & GIVEN) or is_unknown(words, place))


def after_this_is(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """This is X; it's X again; it's me X."""
    following = place + 1
    if words.keys[place] == "this":
        if words.key(following) != "is":
            return
        following += 1
    if words.keys[place] == "it":
        if words.key(following) != "is":
            return
        following += 1
    me = words.key(following) in ("me", "ya", "your", "yo")
    following += me
    again = words.key(following + 1) in ("again", "here", "speaking", "from", "calling", "btw")
    plain = words.flag(following) & ORDINARY and not words.capital(following) and again and words.gap(following) == " "
    if plain and place <= 2 and is_given(words, following) and not words.cue(following) & TIME:
        yield following, LIKELY  # "its faith again"
        return
    if words.gap(following - 1).strip() not in ("", ",", "-", ":") or not introduced(words, following):
        return
    opens = place <= 2 or words.begins(place)
    if opens and (me or again or words.keys[place] == "this" or words.gap(following).strip()):
        yield following, LIKELY


def before_here(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """X here; X speaking."""
    before = place - 1
    if (
        0 <= before <= 2
        and words.gap(before) == " "
        and (words.begins(before) or words.cue(before - 1) & GREETING)
        and introduced(words, before)
    ):
        yield before, LIKELY


def after_also_called(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """Née X; me llamo X."""
    if is_nameable(words, place + 1) and (is_name_word(words, place + 1) or is_unknown(words, place + 1)):
        yield place + 1, LIKELY


def before_pronouns(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """X (they/them)."""
    before = place - 1
    if (
        before >= 0
        and words.gap(before) in (" (", " [")
        and words.gap(place) == "/"
        and words.capital(before)
        and is_nameable(words, before)
    ):
        yield before, LIKELY


RULES = {
    **dict.fromkeys(("they", "she", "he"), before_pronouns),
    **dict.fromkeys(("name", "names", "surname", "nickname"), after_name),
    **dict.fromkeys(("called", "call", "calls", "calling", "named", "nicknamed", "known"), after_called),
    **dict.fromkeys(("i'm", "im", "i"), after_i_am),
    **dict.fromkeys(("this", "it's", "its", "it"), after_this_is),
    **dict.fromkeys(("here", "speaking"), before_here),
    **dict.fromkeys(
        ("aka", "née", "nee", "llamo", "appelle", "m'appelle", "heiße", "heisse", "chiamo", "chamo"), after_also_called
    ),
}
