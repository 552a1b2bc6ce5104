"""Name greetings: the words of a text in; names that stand where one is greeted, thanked, addressed or signs, out."""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import GREETING, THANKS
from heedful.privacy.identifiers.lexicon import COUNTRY, FREQUENT, GIVEN, ORDINARY, PUBLIC, REGION, SURNAME
from heedful.privacy.identifiers.name_unknown import LIKELY, POSSIBLE, is_unknown
from heedful.privacy.identifiers.name_words import is_given, is_name_word, is_nameable
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import TITLE, Words

CLOSING = re.compile(r"(?:^|[\n\r.!?,]|\s{2,})[ \t]*(?:-|–|—|~|x+)[ \t]*$")
ENDING = re.compile(r"[\s.!,xX❤💔-]*$")
KISSES = frozenset(["x", "xx", "xxx", "xo", "xoxo"])


def after_greeting(words: Words, place: int) -> Iterator[tuple[int, float]]:
    """Hi X; thanks, X; love from X."""
    following = place + 1
    while (
        words.key(following) in ("you", "u", "so", "much", "again", "there", "good", "from", "very", "a", "lot", "and")
        and not words.gap(following - 1).strip()
    ):
        following += 1
    greets = words.cues[place] & GREETING
    gap = words.gap(following - 1).strip()
    if gap not in ("", ",") or not is_nameable(words, following) or words.flags[following] & (PUBLIC | COUNTRY | REGION):
        return
    if not (
        words.begins(place)
        or words.cue(place - 1) & (GREETING | THANKS)
        or words.key(place - 1) in ("good", "ok", "okay", "oh", "lots", "kind", "best", "warm", "yours")
    ):
        return
    ends = ENDING.match(words.gap(last_part(words, following))) is not None
    plain = words.flags[following] & ORDINARY and not (
        greets and words.gap(following).strip(" \t") and not words.flags[following] & FREQUENT
    )
    known = is_given(words, following) and (words.capital(following) or not plain)
    if words.cues[place] & THANKS and not ends and not (known and not greets and words.gap(following).strip()):
        return
    if known or (words.capital(following) and not words.flags[following] & ORDINARY):
        yield following, LIKELY
    elif ends and not greets and words.shapes[following] == TITLE and not words.flags[following] & FREQUENT:
        yield following, POSSIBLE  # "love, Marigold x"
    elif is_unknown(words, following) and (greets or ends):
        yield following, POSSIBLE


def last_part(words: Words, place: int) -> int:
    """The last word of a name of several capitals that begins here."""
    while words.gap(place) == " " and words.capital(place + 1):
        place += 1
    return place


def sign_off(words: Words) -> Iterator[tuple[int, float]]:
    """The last words of a text, behind a dash or on a line of their own after a closing."""
    for place in range(max(0, len(words) - 3), len(words)):
        before = words.before(place)
        closes = CLOSING.search(before) or ("\n" in before and words.cue(place - 1) & THANKS) or words.key(place - 1) in KISSES
        initial = words.capital(place) and len(words.keys[place]) == 1 and closes
        if before == "-" or not closes or not (initial or is_nameable(words, place)) or words.flags[place] & PUBLIC:
            continue
        if not all(words.gap(k) in (" ", "-", ". ", ".") for k in range(place, len(words) - 1)):
            continue
        flags = words.flags[place]
        if (words.capital(place) and (flags & GIVEN or initial or not flags & ORDINARY)) or not flags & ORDINARY:
            yield place, LIKELY


OPENERS = word_set("ok okay well look listen right no nah yes yeah omg oh please pls wow so")


def addressed(words: Words) -> Iterator[tuple[int, float]]:
    """ "Jakobine, can I ask you?" and "what do I do, Liam?": the first or the last word, set off by a comma."""
    if len(words) < 3:
        return
    if words.capital(0) and words.gap(0).startswith(", ") and is_nameable(words, 0):
        flags = words.flags[0]
        if is_name_word(words, 0) or (flags & ~SURNAME == 0 and is_unknown_or_surname(words, 0)):
            yield 0, POSSIBLE
    if words.keys[0] in OPENERS and words.before(1) in (" ", ", ") and words.gap(1).startswith(",") and is_addressable(words, 1):
        yield 1, POSSIBLE
    last = len(words) - 1
    if words.before(last) == ", " and is_name_word(words, last):
        yield last, LIKELY


def is_addressable(words: Words, place: int) -> bool:
    """ "ok Fi, lets try": a capital between an opening word and a comma."""
    flags = words.flags[place]
    named = flags & GIVEN or is_unknown(words, place)
    capital = words.shapes[place] == TITLE and not words.shouting and is_nameable(words, place)
    return bool(capital and named and not flags & (PUBLIC | COUNTRY | REGION))


def is_unknown_or_surname(words: Words, place: int) -> bool:
    return is_unknown(words, place) or words.flags[place] == SURNAME
