"""Name words: one word and its neighbours in; how surely it is a person's name, out. `names.py` walks the text and asks here."""

import re

from heedful.privacy.identifiers.cues import EPONYM, FUNCTION, KIN, PLACED, SAYS, TIME
from heedful.privacy.identifiers.lexicon import (
    BRAND,
    CITY,
    COMMON,
    COUNTRY,
    FREQUENT,
    GIVEN,
    LARGE,
    NAME,
    ORDINARY,
    PUBLIC,
    REGION,
    SURNAME,
    lexicon,
)
from heedful.privacy.identifiers.name_context import (
    SAID,
    TOWARDS_PERSON,
    context,
    is_rather_person,
)
from heedful.privacy.identifiers.name_lower import lower_by_itself
from heedful.privacy.identifiers.name_slots import (
    ABSTRACT,
    ACQUAINTED,
    AUXILIARIES,
    BEING,
    DETERMINERS,
    NOT_DOING,
    OF_THINGS,
    OWNED,
    REFUSES,
    is_in_row,
    is_linked,
)
from heedful.privacy.identifiers.name_unknown import (
    ILLNESSES,
    LIKELY,
    NO,
    NOUN_ENDINGS,
    POSSIBLE,
    UNSURE,
    is_syllable_name,
    is_unknown,
    unknown_capital,
)
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import TITLE, UPPER, Words

# Frequent words that people are called; the other frequent words of the name lists ("else", "job") are nobody.
NAMES_THAT_ARE_WORDS = word_set(
    """
    will mark hope grace joy rose faith dawn summer autumn bill art frank grant chase drew ray lee rich miles penny patience
    mercy charity angel destiny harmony iris justice river sky star storm sunny prince guy gene rod ed dale may june bliss
    blessing comfort precious earnest liberty page junior constant innocent lucky gay jack pat sue rob
    """
)
TEMPER = re.compile(r"[ei][ns][tf][jp]")
NUMERALS = frozenset(("ii", "iii", "iv", "vi", "vii"))
ASKING = frozenset(("does", "did", "do", "can", "will", "would", "should", "has", "is"))
PERSONAL_VERBS = word_set("know care want talk like love answer reply believe understand speak text call calls")
PLACE_LINKS = word_set("in at from on of near to into via a an the called")
CLAUSE = word_set(
    """
    says said that when if because cos but so then while since until thinks thought reckons and
    """
)
DIRECTIONS = word_set("north south east west downtown central greater inner upper lower")
ONLY_MEN = word_set("frank bill rob ray lee chase jack pat drew rod guy ed gene dale")
OF_TIMES = word_set("my the a an when what where how")
INITIALS = re.compile(r"[abcdjkmprt]j|[jm]c|jd|kc|kd|jt|tk|jb|mj|rj|jp|ck")
PLAIN_ENDINGS = (
    *NOUN_ENDINGS,
    *ILLNESSES,
    "ic",
    "al",
    "ed",
    "ish",
    "ous",
    "ive",
    "ful",
    "less",
    "ent",
    "ant",
    "ist",
    "an",
    "s",
    "er",
    "or",
    "age",
)


def is_name_word(words: Words, place: int) -> bool:
    """A given name that is no ordinary word."""
    flags = words.flag(place)
    return bool(flags & GIVEN) and not flags & (ORDINARY | PUBLIC | COUNTRY | REGION)


def is_given(words: Words, place: int) -> bool:
    """A given name, an ambiguous one included."""
    flags = words.flag(place)
    return bool(flags & GIVEN) and (not flags & FREQUENT or words.key(place) in NAMES_THAT_ARE_WORDS)


def by_itself(words: Words, place: int) -> float:
    """How surely this word is a name, without a cue that announces one."""
    flags, key = words.flags[place], words.keys[place]
    if len(key) == 1:
        return POSSIBLE if is_initial(words, place) else NO
    if key in NUMERALS and words.shapes[place] == UPPER:
        return NO  # "Bipolar II"
    if len(key) == 2 and INITIALS.fullmatch(key) and context(words, place):
        return POSSIBLE  # "when tj died"
    if words.cues[place] & TIME and (not flags & GIVEN or (context(words, place) < 2 and not is_linked(words, place))):
        return NO
    if (
        flags & PUBLIC
        and flags & GIVEN
        and words.shapes[place] == TITLE
        and words.cue(place + 1) & SAYS
        and words.gap(place) == " "
    ):
        return POSSIBLE  # "Christian told me"
    if flags & PUBLIC or len(key) < 2 or is_eponym(words, place, flags):
        return NO
    return of_other_lists(words, place, flags)


def of_other_lists(words: Words, place: int, flags: int) -> float:
    """What is a place or a plain word as well."""
    key = words.keys[place]
    if is_syllable_name(words, place) or (flags & SURNAME and words.gap(place) == " " and is_syllable_name(words, place + 1)):
        return POSSIBLE  # "Park Ji-young"
    if flags & (COUNTRY | REGION) and is_person_and_place(words, place, flags):
        return LIKELY
    if flags & (COUNTRY | REGION) or (flags & LARGE and words.before(place) == " " and words.key(place - 1) in DIRECTIONS):
        return NO
    if flags & CITY and words.cue(place - 1) & PLACED and words.key(place - 1) not in ("to", "for", "of"):
        return NO
    if words.shapes[place] == UPPER and not words.shouting and not is_name_in_capitals(words, place):
        return NO
    if flags & FREQUENT and key not in NAMES_THAT_ARE_WORDS:
        return NO
    capital = words.capital(place)
    if words.is_foreign(place) and (not capital or (words.begins(place) and not is_name_word(words, place))):
        return NO
    return capital_by_itself(words, place, flags) if capital else lower_by_itself(words, place, flags)


def before_act(words: Words, place: int) -> bool:
    return bool(words.cue(place + 1) & SAYS) and words.gap(place) == " "


def is_initial(words: Words, place: int) -> bool:
    """ "K told me", "with M.": somebody who is only hinted at."""
    if not words.capital(place) or words.keys[place] in ("i", "a", "u", "x", "o") or words.stops[place] > words.ends[place]:
        return False
    acts = words.begins(place) and words.cue(place + 1) & SAYS and words.gap(place) in (" ", ". ")
    return bool(acts) or (words.key(place - 1) in TOWARDS_PERSON and words.before(place) == " ")


def is_person_and_place(words: Words, place: int, flags: int) -> bool:
    """ "Victoria told me", "Virginia is my best friend": where only a person stands, it is no state."""
    there = (
        flags & GIVEN and place not in words.phrases and words.key(place - 1) not in ("visit", "visited", "leave", "left", "for")
    )
    first = (
        bool(flags & COMMON)
        and not flags & COUNTRY
        and not words.cue(place - 1) & PLACED
        and words.key(place - 1) not in DETERMINERS
    )
    return bool(there) and (first or context(words, place) == 2 or is_introduced(words, place) > NO)


def is_eponym(words: Words, place: int, flags: int) -> bool:
    """ "Parkinson's disease", "the Yerkes curve"; "Sarah's school" is Sarah's."""
    follows = words.cue(place + 1) & EPONYM and words.capital(place) and not words.gap(place).strip()
    return bool(follows) and not (flags & GIVEN and words.stops[place] > words.ends[place])


def is_name_in_capitals(words: Words, place: int) -> bool:
    """DOB and LMHC are no names; SARAH is one; JJ and PIP are where a person stands."""
    key, named = words.keys[place], words.flags[place] & NAME
    short = len(key) <= 4 and not words.flags[place] & COMMON
    if len(key) == 2 and key.endswith("j") and key not in ("jj", "dj"):
        return True
    return bool(named and not short) or bool((named or key.endswith("j")) and context(words, place))


def capital_by_itself(words: Words, place: int, flags: int) -> float:
    before = words.key(place - 1) if words.before(place) == " " else ""
    if len(words.keys[place]) == 2 and words.shapes[place] == UPPER:
        return POSSIBLE
    if flags & GIVEN and not flags & ORDINARY:
        return NO if is_a_kind(words, place) or is_played(words, place) else LIKELY
    if is_family(words, place):
        return POSSIBLE
    if flags & SURNAME and words.before(place) == "-":
        return NO
    if (before in DETERMINERS and before not in ("of", "that")) or (
        words.capital(place - 1) and words.flag(place - 1) & ORDINARY and words.key(place - 2) == "the"
    ):
        return NO
    begins, strength = words.begins(place), context(words, place)
    if flags & GIVEN:
        return ambiguous_capital(words, place, begins, strength)
    if len(words.key(place - 1)) == 1 and words.before(place) in (". ", ".") and words.capital(place - 1) and not flags & FREQUENT:
        return LIKELY
    if flags & SURNAME and not flags & (ORDINARY | CITY):
        return POSSIBLE
    if flags & SURNAME and not begins and strength:
        return POSSIBLE
    if flags == 0 and words.cues[place] == 0 and len(words.keys[place]) >= 3:
        return unknown_capital(words, place, begins, strength)
    return plain_capital(words, place, begins, strength)


def is_a_kind(words: Words, place: int) -> bool:
    """ "an Alexa", "such a total Karen"."""
    if words.before(place) != " " or words.capital(place + 1):
        return False
    before, cue = words.key(place - 1), words.cue(place - 1)
    described = words.key(place - 2) in ("a", "an") and before in (
        "total",
        "real",
        "right",
        "complete",
        "proper",
        "typical",
        "such",
    )
    return before in ("a", "an") or (described and not cue & KIN)


def is_played(words: Words, place: int) -> bool:
    """ "playing Elden Ring": a title of two words."""
    after = words.flag(place + 1)
    title = words.capital(place + 1) and words.gap(place) == " " and after & FREQUENT
    return bool(title) and words.key(place - 1) in ("play", "playing", "played")


def plain_capital(words: Words, place: int, begins: bool, strength: int) -> float:
    """ "told Juniper", "Preston said": a rare word, or a town, where a person stands."""
    flags, key = words.flags[place], words.keys[place]
    if words.shapes[place] != TITLE or flags & (FREQUENT | PUBLIC | BRAND) or words.cues[place]:
        return NO
    if strength == 2:
        owner = words.stops[place] > words.ends[place] and words.cue(place + 1) & KIN and len(key) >= 4  # "Hyacinth's boyfriend"
        return POSSIBLE if not begins or owner or words.key(place + 1) in SAID else NO
    apart = not words.capital(place - 1) and not words.capital(place + 1)
    rare = apart and not begins and not flags & CITY and not key.endswith(PLAIN_ENDINGS)
    if strength and rare and is_personal(words, words.starts[place], words.ends[place]):
        return UNSURE
    return NO


def ambiguous_capital(words: Words, place: int, begins: bool, strength: int) -> float:
    """Grace, Mark, Hope: a name by its capital, if that means something, or by what stands around it."""
    if begins:
        return POSSIBLE if begins_with_person(words, place) else is_introduced(words, place)
    if words.key(place - 1) in ASKING and words.begins(place - 1) and words.key(place + 1) in PERSONAL_VERBS:
        return POSSIBLE  # "Does Faith know"
    if words.keys[place] in ABSTRACT and words.gap(place) != " " and strength < 2:
        return NO  # "and Faith, and Hope"
    if words.cues[place] & TIME:
        return POSSIBLE if strength == 2 else NO
    surname = words.capital(place + 1) and words.gap(place) == " " and words.flag(place + 1) & SURNAME
    spoken = words.key(place - 1) in CLAUSE and words.key(place + 1) not in ("in", "of", "is", "too") and words.before(place) == " "
    alone = words.keys[place] not in ABSTRACT and not words.capital(place - 1) and not words.capital(place + 1)
    rare = alone and is_rather_person(words, place) and words.key(place - 1) not in PLACE_LINKS
    return POSSIBLE if strength or surname or spoken or rare or is_apposition(words, place) else NO


def is_family(words: Words, place: int) -> bool:
    """ "the Castellanos family", "the Okafors next door": a name that no dictionary has, of all who bear it."""
    flags, key = words.flags[place], words.keys[place]
    if words.key(place - 1) != "the" or flags & (ORDINARY | PUBLIC | REGION | COUNTRY) or words.shapes[place] != TITLE:
        return False
    known = words.flags[place] or lexicon().flags.get(key.removesuffix("s"), 0)
    several = key.endswith("s") and bool(known & (SURNAME | GIVEN)) and not known & (ORDINARY | CITY)
    doing = words.key(place + 1) in NEIGHBOURING or words.cue(place + 1) & SAYS
    beside = key.endswith("s") and doing and is_unknown_family(words, place)
    return several or beside or (words.gap(place) == " " and words.key(place + 1) in FAMILIES)


def is_unknown_family(words: Words, place: int) -> bool:
    """ "the Abubakars": in no list, or a surname with an s."""
    base = lexicon().flags.get(words.keys[place].removesuffix("s"), 0)
    return is_unknown(words, place) or bool(base & SURNAME and not base & ORDINARY)


NEIGHBOURING = word_set("downstairs upstairs opposite next across")
FAMILIES = word_set("family household kids brothers boys girls sisters twins residence clan wedding funeral children lot estate")


def is_apposition(words: Words, place: int) -> bool:
    """ "a girl at work, Saffron, keeps ..."."""
    commas = words.before(place) == ", " and words.gap(place).startswith(",")
    return commas and any(words.cue(place - back) & KIN for back in range(1, 6))


def begins_with_person(words: Words, place: int) -> bool:
    """ "Art left his medication", "Dawn and I", "Rose's funeral": at the beginning, where a capital says nothing."""
    key, after, third = words.keys[place], words.key(place + 1), words.key(place + 2)
    if words.gap(place).strip(" '’s"):
        return False
    if words.stops[place] > words.ends[place]:
        return after in OWNED
    if after == "from" and third in ACQUAINTED and key not in ABSTRACT and is_rather_person(words, place):
        return True
    if after in SAID or (after == "and" and third in ("i", "me") and words.gap(place + 1) == " "):
        return True
    if key in AUXILIARIES and after in NOT_DOING:
        return True
    if after == "and" and words.capital(place + 2) and words.flag(place + 2) & GIVEN and words.gap(place + 1) == " ":
        return third not in ABSTRACT and not words.cue(place + 2)  # "Rich and Penny are splitting"
    if (after in REFUSES and (key not in ABSTRACT or third in PERSONAL_VERBS)) or is_in_row(words, place):
        return key not in AUXILIARIES
    if after in BEING and key not in ABSTRACT and key not in AUXILIARIES and is_rather_person(words, place):
        of_thing = third in OF_TIMES and is_introduced(words, place) == NO  # "Dawn is my favourite time"
        return not of_thing and is_personal(words, words.starts[place], words.ends[place])
    if key in ONLY_MEN and after in ("had", "has", "is", "was", "never"):
        return True
    acts = bool(words.cue(place + 1) & SAYS)
    thing = key in ABSTRACT and after in OF_THINGS
    return acts and key not in AUXILIARIES and (not thing or third in ("his", "her"))


def is_introduced(words: Words, place: int) -> float:
    """ "Bill is my stepdad": a person is said to be somebody's."""
    kin = words.key(place + 2) in ("my", "his", "her", "our", "their") and any(words.cue(place + k) & KIN for k in (3, 4))
    return POSSIBLE if words.key(place + 1) in ("is", "was") and kin else NO


def is_nameable(words: Words, place: int) -> bool:
    """Whether an announced word may be a name: a month in capitals may ("my daughter June")."""
    if not 0 <= place < len(words) or words.cues[place] & FUNCTION or len(words.keys[place]) < 2:
        return False
    if words.shapes[place] == UPPER and TEMPER.fullmatch(words.keys[place]):
        return False  # "I'm INFJ"
    return not words.cues[place] & TIME or (bool(words.flags[place] & GIVEN) and words.shapes[place] == TITLE)
