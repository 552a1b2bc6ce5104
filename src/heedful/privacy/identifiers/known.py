"""Known: what an account says of a person (name, e-mail, telephone ...), and a text, in; every place where one of them stands, out.

A value is found in any case and spacing; a name also by each of its parts, by their short forms, as it sounds, and with a slip of
the pen.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from heedful.privacy.identifiers.cues import SAYS
from heedful.privacy.identifiers.kinds import Identifier, Kind
from heedful.privacy.identifiers.lexicon import FREQUENT, NAME, ORDINARY, WORD, fold, lexicon, one_slip
from heedful.privacy.identifiers.name_context import TOWARDS_PERSON
from heedful.privacy.identifiers.name_slots import ABSTRACT, CLAUSES, DETERMINERS, REFUSES, stands_as_person
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

if TYPE_CHECKING:
    from nicknames import NickNamer

KNOWN_SCORE = 0.98
LONGEST_NAME = 5  # words; a longer value is found as a whole only
MIN_DIGITS = 6
HEARD = (("bh", "v"), ("ph", "f"), ("ck", "k"), ("sch", "s"), ("tz", "s"), ("ts", "s"), ("dz", "s"), ("ch", "k"), ("sh", "s"),
         ("x", "ks"), ("q", "k"), ("c", "k"), ("z", "s"), ("w", "v"), ("j", "y"), ("y", "i"))  # fmt: skip
# What follows the verb or the noun: "Hope you are well", "Grace be with you".
AFTER_VERB = word_set("you we i that to this it the he she they for be my all not there everyone your so")
SELF = word_set("again im i'm am its it's me name called dear hi hey hello thanks thx ty love cheers regards sincerely")
BEING = frozenset(("is", "was", "has", "had"))
ENDINGS = ("y", "ie", "ty", "by", "i", "o", "s", "z", "zy", "zza", "ster")  # of short forms


@dataclass(frozen=True, slots=True)
class Known:
    """`names` are single words in lower case, `sounds` how they are heard; `patterns` find whole values."""

    names: frozenset[str]
    sounds: frozenset[str]
    whole_names: tuple[tuple[str, ...], ...]
    patterns: tuple[tuple[re.Pattern[str], Kind], ...]


@lru_cache(maxsize=256)
def read_known(values: tuple[str, ...]) -> Known:
    names: set[str] = set()
    whole: list[tuple[str, ...]] = []
    patterns: list[tuple[re.Pattern[str], Kind]] = []
    for value in filter(None, (value.strip() for value in values)):
        digits = re.sub(r"\D", "", value)
        words = tuple(fold(word) for word in WORD.findall(value))
        if "@" in value:
            patterns += email_patterns(value)
        elif len(digits) >= MIN_DIGITS and len(digits) * 2 > len(value.replace(" ", "")):
            patterns.append((digits_pattern(digits), "phone" if len(digits) <= 15 else "account_id"))
        elif len(words) == 1 and not digits and lexicon().flags.get(words[0], 0) & (ORDINARY | NAME) == ORDINARY:
            continue  # "client" is what a source calls somebody, and names nobody
        elif words and not digits and len(words) <= LONGEST_NAME:
            plain = {word.replace("'", "") for word in words}
            names |= {form for word in {*words, *plain} if len(word) >= 2 for form in forms(word)}
            names |= {
                "".join(words[i:j])
                for i in range(len(words))
                for j in range(i + 1, len(words) + 1)
                if len("".join(words[i:j])) >= 2
            }
            whole.append(words)
        else:
            patterns.append((spaced_pattern(value), "address" if digits and words else "account_id"))
    sounds = frozenset(sound(name) for name in names if len(name) >= 4)
    return Known(frozenset(names), sounds, tuple(whole), tuple(patterns))


def email_patterns(value: str) -> list[tuple[re.Pattern[str], Kind]]:
    """The address, and its first part alone when that is no word of the language."""
    local = value.split("@", maxsplit=1)[0]
    patterns: list[tuple[re.Pattern[str], Kind]] = [(spaced_pattern(value), "email")]
    if len(local) >= 5 and not lexicon().flags.get(fold(local), 0) & ORDINARY:
        patterns.append((spaced_pattern(local), "handle"))
    return patterns


def spaced_pattern(value: str) -> re.Pattern[str]:
    """The value in any case, with any spacing between its parts."""
    parts = re.findall(r"[^\W_]+|[^\w\s]|_", value)
    return re.compile(r"(?<!\w)" + r"\s*".join(map(re.escape, parts)) + r"(?!\w)", re.IGNORECASE)


def digits_pattern(digits: str) -> re.Pattern[str]:
    """The same digits however they are grouped; of a telephone number also without or with another country prefix."""
    tail = digits[-9:] if 9 < len(digits) <= 15 else digits
    prefix = r"(?:\+?\d{0,3}[ .\-()/]{0,3}(?:\(0\)|0)?[ .\-()/]{0,2}\d{0,3}[ .\-()/]{0,2})?" if tail != digits else ""
    return re.compile(r"(?<!\d)\+?" + prefix + r"[ .\-()/]{0,3}".join(tail) + r"(?!\d)")


@lru_cache(maxsize=16_384)  # words of people: a server that runs for months must not gather them
def forms(name: str) -> frozenset[str]:
    """The name, its short forms, and what it is short for."""
    table = nicknames()
    longer = table.canonicals_of(name)
    return frozenset({name, *table.nicknames_of(name), *longer}.union(*map(table.nicknames_of, longer)))


@cache
def nicknames() -> "NickNamer":
    from nicknames import NickNamer

    return NickNamer()


def find_known(words: Words, known: Known) -> Iterator[Identifier]:
    for pattern, kind in known.patterns:
        for match in pattern.finditer(words.text):
            yield Identifier(match.end() - len(match.group().lstrip()), match.end(), kind, KNOWN_SCORE)
    if known.names:
        yield from find_known_names(words, known)


def find_known_names(words: Words, known: Known) -> Iterator[Identifier]:
    for whole in known.whole_names:
        size = len(whole)
        for place in range(len(words) - size + 1):
            if size > 1 and tuple(words.keys[place : place + size]) == whole:
                yield Identifier(words.starts[place], words.ends[place + size - 1], "name", 0.99)
    for place, key in enumerate(words.keys):
        spelled = key in known.names and (may_be_meant(words, place) or is_with_initial(words, place, known))
        if spelled or is_slip(words, place, known):
            first, last = initial_before(words, place, known), initial_after(words, place, known)
            yield Identifier(words.starts[first], words.ends[last], "name", KNOWN_SCORE)
    for whole in known.whole_names:
        if 2 <= len(whole) <= 4 and (match := initials_pattern(whole).search(words.text)):
            yield Identifier(*match.span(), "name", KNOWN_SCORE)


def initials_pattern(whole: tuple[str, ...]) -> re.Pattern[str]:
    """ "B.F." for Bettina Falk anywhere, "BF" or "bf" only as all of a text or behind a dash at its end."""
    letters = [re.escape(word[0]) for word in whole]
    dotted, joined = r"\.\s?".join(letters).upper(), "".join(letters)
    return re.compile(rf"(?<![\w.]){dotted}\.|(?:^\W*|[-–—~]\s?)(?i:{joined})(?=\W*$)")


def initial_after(words: Words, place: int, known: Known) -> int:
    """ "nat b" ends with the first letter of the surname."""
    after = words.key(place + 1)
    single = (
        len(after) == 1
        and words.gap(place) == " "
        and (after not in ("i", "a", "u", "n", "x", "r", "k") or words.capital(place + 1))
    )
    fits = single and after != "i" and any(len(whole) > 1 and whole[-1].startswith(after) for whole in known.whole_names)
    return place + 1 if fits else place


def is_with_initial(words: Words, place: int, known: Known) -> bool:
    """ "joy b", and nothing else."""
    return len(words) == 2 and place == 0 and initial_after(words, place, known) == 1


def initial_before(words: Words, place: int, known: Known) -> int:
    """ "A. Wood" and "J.P. O'Brien" begin with the first letter."""
    while place and len(words.keys[place - 1]) == 1 and words.before(place) in (". ", ".", " "):
        if (
            not words.capital(place - 1)
            and (place > 1 or words.keys[0] in ("i", "a", "u", "x", "n", "k"))
            and not is_whole(words, place)
        ):
            break
        if not any(name.startswith(words.keys[place - 1]) for name in known.names):
            break
        place -= 1
    return place


def may_be_meant(words: Words, place: int) -> bool:
    """A name that is a word as well ("Will", "Hope") counts with a capital, or where a person is spoken of."""
    if not words.flags[place] & ORDINARY or len(words) == 1:
        return True
    if words.key(place - 1) in ("no", "the", "a", "any", "some", "every") and not words.capital(place):
        return False  # "no joy left"
    if words.capital(place) and (not words.begins(place) or words.key(place + 1) not in AFTER_VERB):
        return True
    if names_itself(words, place):
        return True
    opens = words.begins(place) or words.key(place - 1) in CLAUSES
    after = words.key(place + 1)
    return (
        stands_as_person(words, place)
        or (opens and words.gap(place) == " " and (after in REFUSES or (after in BEING and words.keys[place] not in ABSTRACT)))
        or (words.key(place - 1) in ("im", "i'm", "its", "it's", "hi", "hey", "love") and place + 1 == len(words))
        or bool(words.cue(place + 1) & SAYS)
        or words.key(place - 1) in TOWARDS_PERSON
        or (not words.flags[place] & FREQUENT and len(words.keys[place]) >= 4 and words.key(place - 1) not in DETERMINERS)
    )


def names_itself(words: Words, place: int) -> bool:
    """ "its me, will", "thx mark", "joy here": somebody says who they are, or who is meant, and no more."""
    after, before, gap = words.key(place + 1), words.key(place - 1), words.gap(place).strip(" \t")
    ends = bool(gap) or after in ("here", "again", "x", "xx", "xo", "btw", "from")
    return ends and (before in SELF or (words.begins(place) and after in ("here", "again", "x", "xx")))


def is_whole(words: Words, place: int) -> bool:
    """ "k markou": an initial and a name, and nothing else."""
    return place == 1 and len(words) == 2


def is_slip(words: Words, place: int, known: Known) -> bool:
    """One slip of the pen away from a known name, or heard as one, and no word of its own."""
    key, names = words.keys[place], known.names
    if words.flags[place] & ORDINARY:
        rare = words.capital(place) and not words.flags[place] & FREQUENT
        return rare and len(key) >= 5 and sound(key) in known.sounds
    if len(key) >= 4 and (sound(key) in known.sounds or is_ending(key, names)):
        return True
    slip = len(key) >= 4 and not words.flags[place] and any(len(name) >= 4 and near(key, name) for name in names)
    return slip or (len(key) >= 3 and any(len(name) > len(key) and is_shortened(key, name) for name in names))


def sound(word: str) -> str:
    """What is left of a word when letters that are heard alike are one: Katarzina, Muhamad, Kaitlyn."""
    for written, heard in HEARD:
        word = word.replace(written, heard)
    word = re.sub(r"(.)\1+", r"\1", word)
    hard = re.sub(r"[aeiouhy']", "", word)
    if len(hard) < 3:
        return word  # too little is left: "Noah" and "Nina"
    return ("a" if word[0] in "aeiou" else "") + hard


def is_ending(key: str, names: frozenset[str]) -> bool:
    """ "topher" for Christopher, "seun" for Oluwaseun: the end of a longer name."""
    return any(len(name) >= len(key) + 3 and name.endswith(key) for name in names)


def is_shortened(key: str, name: str) -> bool:
    """ "dev" and "devvy" for Devendra."""
    return name.startswith(key) or any(
        key.endswith(end) and len(key) - len(end) >= 3 and name.startswith(key[: -len(end)]) for end in ENDINGS
    )


def near(key: str, name: str) -> bool:
    """At most one letter added, lost or changed, or two neighbours swapped."""
    if key[0] != name[0] or abs(len(key) - len(name)) > 1:
        return False
    if len(key) == len(name):
        return one_slip(key, name)
    shorter, longer = sorted((key, name), key=len)
    return any(longer[:cut] + longer[cut + 1 :] == shorter for cut in range(len(longer)))
