"""Name lower: a word in lower case, where no capital tells, in; how surely it is a person's name, out."""

from heedful.privacy.identifiers.cues import DOES, SAYS
from heedful.privacy.identifiers.lexicon import (
    COMMON,
    FREQUENT,
    GIVEN,
    NAME,
    ORDINARY,
    is_near,
)
from heedful.privacy.identifiers.name_context import (
    ARTICLES,
    SAID,
    SUBJECTS,
    TOWARDS_PERSON,
    context,
    is_rather_person,
)
from heedful.privacy.identifiers.name_slots import (
    AUXILIARIES,
    DETERMINERS,
    acts,
    is_from_around,
    is_linked,
    owns,
    row_goes_on,
    stands_as_person,
)
from heedful.privacy.identifiers.name_unknown import (
    NO,
    POSSIBLE,
    is_unknown,
)
from heedful.privacy.identifiers.words import Words


def lower_by_itself(words: Words, place: int, flags: int) -> float:
    key, before = words.keys[place], words.key(place - 1)
    if flags & GIVEN and not flags & ORDINARY:
        owned = before in DETERMINERS and before not in ("that", "of")
        if not flags & COMMON and (before in ARTICLES or (owned and not words.cue(place + 1) & (SAYS | DOES))):
            return NO
        after = words.flag(place + 1) if words.gap(place) == " " else 0
        if flags & COMMON or len(key) >= 4 or (after & NAME and not after & FREQUENT):
            return POSSIBLE
        rowed = row_goes_on(words, place, 1) or row_goes_on(words, place, -1)
        return POSSIBLE if (len(key) >= 3 and (context(words, place) or rowed)) or is_beside_me(words, place) else NO
    if flags & GIVEN:
        return ambiguous_lower(words, place, flags)
    if flags == 0 and len(key) >= 3:
        return unknown_lower(words, place)
    return NO


def is_beside_me(words: Words, place: int) -> bool:
    """ "me and ro are done"."""
    return words.key(place - 1) in ("and", "n") and words.key(place - 2) == "me" and words.before(place) == " "


def ambiguous_lower(words: Words, place: int, flags: int) -> float:
    before, after = words.key(place - 1), words.key(place + 1)
    if before in DETERMINERS:
        return NO
    if words.keys[place] in AUXILIARIES and after in SUBJECTS:
        return POSSIBLE if before in ("told", "texted") and words.before(place) == " " else NO
    if stands_as_person(words, place):
        return POSSIBLE
    if (
        after in SAID
        and words.gap(place) == " "
        and (words.begins(place) or before in ("and", "but", "when", "then", "because", "so"))
    ):
        return POSSIBLE
    towards = before in TOWARDS_PERSON and words.before(place) == " "
    return (
        POSSIBLE
        if towards and (is_rather_person(words, place) or before in ("told", "asked", "texted", "dating", "kissed", "named"))
        else NO
    )


def unknown_lower(words: Words, place: int) -> float:
    """No list has it: only a word that is no slip of the pen, where nothing but a person stands."""
    if not is_unknown(words, place):
        return NO
    if is_near(words.keys[place], COMMON):
        return POSSIBLE if context(words, place) else NO
    if any(stands(words, place) for stands in (is_linked, acts, owns, is_from_around)) or row_goes_on(words, place, 1):
        return POSSIBLE
    told = words.key(place - 1) in TOWARDS_PERSON and words.before(place) == " " and len(words.keys[place]) >= 4
    says = words.key(place + 1) in SAID and words.gap(place) == " " and words.key(place - 1) not in DETERMINERS
    return POSSIBLE if told or says or (context(words, place) == 2 and words.key(place - 1) == "and") else NO
