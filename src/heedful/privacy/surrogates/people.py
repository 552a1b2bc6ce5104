"""People: a name in; another name of the same gender and region of the world, part by part, out.

Parts are kept apart, so that "Sarah Jones", "sarah" and "Ms Jones" stay one person, and so do "Liz" and "Elizabeth".
"""

import re
from functools import cache

from heedful.privacy.identifiers.cues import KIN, TITLE, WORDS
from heedful.privacy.identifiers.known import nicknames
from heedful.privacy.identifiers.lexicon import (
    BRAND,
    CITY,
    COMMON,
    COUNTRY,
    FEMALE,
    GIVEN,
    MALE,
    ORDINARY,
    PUBLIC,
    REGION,
    SURNAME,
    WORD,
    fold,
    lexicon,
    one_slip,
)
from heedful.privacy.identifiers.names import PARTICLES
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.surrogates.draws import Draws, like

WOMEN = word_set(
    """
    mrs ms miss madam mdm dame auntie aunty aunt nana nan nanna granny gran grandma grandmother sister sis mum mom mam mama
    mother mommy mummy daughter wife wifey girlfriend gf girl lady woman niece stepmum stepmom stepmother stepsister
    stepdaughter goddaughter godmother granddaughter girls sisters daughters landlady waitress midwife she her lass unnie didi
    bhabhi frau madame senora mme
    """
)
MEN = word_set(
    """
    mr sir uncle grandpa grandad granddad grandfather brother bro father dad papa daddy son husband hubby boyfriend bf boy guy
    lad bloke man dude nephew stepdad stepfather stepbrother stepson godson godfather grandson boys brothers sons landlord he
    him imam pastor herr monsieur senor bhai oppa mister alhaji
    """
)
BY_SURNAME = word_set(
    """
    mr mrs ms miss dr doctor prof professor herr frau officer detective inspector sergeant constable pc judge coach captain
    madame monsieur senor senora rev reverend
    """
)
UNLIKE_NAMES = ORDINARY | PUBLIC | CITY | COUNTRY | REGION | BRAND
assert TITLE and KIN and WORDS


def stand_in_for_name(value: str, before: str, draws: Draws) -> str:
    """`before` is the text before the name: a title or a kinship there tells the gender."""
    words = WORD.findall(value)
    lead = re.findall(r"[^\W\d_]+", before[-24:].lower())
    gender = gender_of(words, lead)
    region = next((lexicon().regions[fold(word)] for word in words if fold(word) in lexicon().regions), "english")
    surname_first = len(words) == 1 and bool(lead) and lead[-1] in BY_SURNAME
    made, end = "", 0
    for number, match in enumerate(WORD.finditer(value)):
        word = match.group()
        made += value[end : match.start()]
        is_surname = surname_first or (number > 0 and number == len(words) - 1) or is_only_surname(word)
        made += part(word, is_surname, gender, region, draws)
        end = match.end()
    return made + value[end:]


def part(word: str, is_surname: bool, gender: int, region: str, draws: Draws) -> str:
    key = fold(word)
    if key in PARTICLES and len(key) > 1:
        return word
    if len(key) == 1:
        return like(word, draws.once("initial", key, lambda: draws.pick([c for c in "ABCDEFGHJKLMNPRSTVW" if c.lower() != key])))
    remembered = linked(key, draws)
    if remembered is not None:
        return like(word, remembered)
    pool = surnames(region) if is_surname else given_names(region, gender)
    return like(word, draws.once("name", key, lambda: draws.pick(pool).title()))


def linked(key: str, draws: Draws) -> str | None:
    """The surrogate of the same part, of its long or short form, or of the part with a slip of the pen."""
    if ("name", key) in draws.memory:
        return draws.memory["name", key]
    related = nicknames().nicknames_of(key) | nicknames().canonicals_of(key)
    for (kind, other), made in draws.memory.items():
        if kind != "name":
            continue
        if other in related:
            return short_form(made, draws)
        if (
            len(key) >= 5
            and len(other) >= 5
            and abs(len(key) - len(other)) <= 1
            and key[0] == other[0]
            and is_same_slip(key, other)
        ):
            return made
    return None


def is_same_slip(key: str, other: str) -> bool:
    if len(key) == len(other):
        return one_slip(key, other)
    shorter, longer = sorted((key, other), key=len)
    return any(longer[:cut] + longer[cut + 1 :] == shorter for cut in range(len(longer)))


def short_form(made: str, draws: Draws) -> str:
    """A short form of a surrogate, or the surrogate itself when it has none that is free."""
    free = sorted(
        name
        for name in nicknames().nicknames_of(made)
        if len(name) >= 3 and name not in draws.taken and not lexicon().flags.get(name, 0) & ORDINARY
    )
    return free[0].title() if free else made


def gender_of(words: list[str], lead: list[str]) -> int:
    """FEMALE, MALE, or 0 when nothing tells."""
    for word in reversed(lead[-3:]):
        if word in WOMEN:
            return FEMALE
        if word in MEN:
            return MALE
    flags = lexicon().flags.get(fold(words[0]), 0) & GIVEN if words else 0
    return flags if flags in (FEMALE, MALE) else 0


def is_only_surname(word: str) -> bool:
    flags = lexicon().flags.get(fold(word), 0)
    return bool(flags & SURNAME) and not flags & GIVEN


@cache
def given_names(region: str, gender: int) -> tuple[str, ...]:
    """Names of that gender only; names of either when the gender is not known."""
    wanted = gender if gender else GIVEN
    pool = names_of(region, lambda flags: flags & GIVEN == wanted and (region != "english" or bool(flags & COMMON)))
    return pool if len(pool) >= 20 else names_of(region, lambda flags: bool(flags & GIVEN & wanted))


@cache
def surnames(region: str) -> tuple[str, ...]:
    pool = names_of(region, lambda flags: bool(flags & SURNAME) and not flags & GIVEN)
    return pool if len(pool) >= 20 else surnames("english")


def names_of(region: str, fits) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    known = lexicon()
    return tuple(
        sorted(
            name
            for name, place in known.regions.items()
            if place == region
            and 4 <= len(name) <= 10
            and name.isalpha()
            and fits(known.flags.get(name, 0))
            and not known.flags[name] & UNLIKE_NAMES
        )
    )
