"""Name context: a word and its neighbours in; how surely only a person stands there, out."""

from heedful.privacy.identifiers.cues import DOES, KIN, SAYS, TOWARDS
from heedful.privacy.identifiers.lexicon import FREQUENT
from heedful.privacy.identifiers.name_slots import (
    DETERMINERS,
    ROW_NAMES,
    is_linked,
)
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

# A person, and little else, comes after these.
TOWARDS_PERSON = word_set(
    """
    told tell telling asked ask asking dating dated kissed kissing married marry marrying hugged hug texted texting messaged
    messaging phoned met miss missed missing named forgive forgave divorced divorcing blame blamed fancy fancied introduced
    """
)

SAID = word_set(
    """
    said says told tells texted asked messaged rang phoned cheated dumped replied reckons
    """
)

ARTICLES = frozenset(["a", "an", "the"])

SUBJECTS = word_set("i you we they he she it u")


def context(words: Words, place: int) -> int:
    """2: only a person stands here. 1: a person may stand here. 0: nothing says so."""
    before = words.key(place - 1) if words.before(place) in (" ", " & ") or words.before(place).isspace() else ""
    after = words.key(place + 1) if words.gap(place).isspace() else ""
    possessive = words.stops[place] > words.ends[place]
    if before in TOWARDS_PERSON or (before in ("and", "n") and words.key(place - 2) == "me") or is_linked(words, place):
        return 2
    if after and not possessive and words.cue(place + 1) & SAYS and before not in DETERMINERS:
        return 2
    if after == "and" and words.key(place + 2) in ("i", "me"):
        return 2
    if possessive and words.cue(place + 1) & KIN:
        return 2
    weak = (before and words.cue(place - 1) & TOWARDS) or (after and words.cue(place + 1) & DOES) or possessive
    return 1 if weak and before not in DETERMINERS else 0


def is_rather_person(words: Words, place: int) -> bool:
    """No frequent word, or one that is a person more often."""
    return not words.flags[place] & FREQUENT or words.keys[place] in ROW_NAMES
