"""Names: the words of a text in; the names of persons in it, out.

Three ways lead to a name: what is said before it ("my sister", "I'm", "Dr"), what the word is (a given name, in a list), and where
it stands ("told X", "X said"). A name found once is found wherever it stands in the text.
"""

import re

from heedful.privacy.identifiers.cues import DOES, FUNCTION, KIN, SAYS, TIME
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import COUNTRY, FREQUENT, GIVEN, ORDINARY, PLACE, PUBLIC, REGION, SURNAME
from heedful.privacy.identifiers.name_cues import by_cue, says_or_ends
from heedful.privacy.identifiers.name_slots import DETERMINERS
from heedful.privacy.identifiers.name_unknown import LIKELY, POSSIBLE, is_misspelt_name, is_unknown
from heedful.privacy.identifiers.name_words import by_itself, is_nameable
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import LOWER, TITLE, Words

PARTICLES = word_set(
    """
    van von de da di du del della der den ten ter bin bint ibn al el la le st mac mc o dos san
    """
)

BYLINE = re.compile(
    r"[\"”’'*]\s*,?\s(?:is a book |written )?by\s(?:(?:Dr|Prof)\.?\s)?(?:[A-Z][\w.]+\s(?:and|&)\s)?(?:Dr\.?\s)?$|"
    r"\b(?:books?|novels?|poems?|songs?|films?|memoir|podcast|article|author|authors|singer|actor|actress|comedian|poet|novelist)"
    r"(?:\s(?:is|was|called|written|named))?\s?,?(?:\sby)?\s(?:Dr\.?\s)?$"
)
CITATION = re.compile(r"(?:\s(?:&|and)\s[A-Z][\w'-]+|\set al\.?)?,?\s\(?(?:19|20)\d\d[a-z]?\)")
AGED_AND = re.compile(r" \(\d{1,2}\) ")  # "Mackenzie (5) and Baylor (3)"
LEADING = word_set("van von vander di del bin ibn ter")
LAST_INITIALS = frozenset("defghjlpqstvz")
BEHIND_INITIAL = frozenset(("from", "in", "at", "who", "says", "said", "told"))
SHORT = 4  # letters of a first part that a second one often follows
SUFFIXES = word_set("MD M.D PhD Jr Sr II III IV Esq RN")


def find_names(words: Words) -> list[Identifier]:
    heads = dict(by_cue(words))
    for place in range(len(words)):
        if place not in heads and (
            words.flags[place] & (GIVEN | SURNAME)
            or words.flags[place] == 0
            or words.shapes[place] == TITLE
            or len(words.keys[place]) == 1
        ):
            score = by_itself(words, place)
            if score:
                heads[place] = score
    spans = [span for span in joined(words, heads) if not is_author(words, *span[:2])]
    spans += listed(words, spans)
    found = [Identifier(words.starts[first], words.ends[last], "name", score) for first, last, score in spans]
    return [*found, *repeated(words, name_parts(words, found))]


def is_author(words: Words, first: int, last: int) -> bool:
    """Who wrote a book or is quoted in a study stands in public: "… Now” by Eckhart Tolle", "(Gagnon & Simon, 1973)"."""
    if not words.capital(first):
        return False
    before, after = (
        words.text[max(0, words.starts[first] - 60) : words.starts[first]],
        words.text[words.ends[last] : words.ends[last] + 40],
    )
    return BYLINE.search(before) is not None or CITATION.match(after) is not None


def joined(words: Words, heads: dict[int, float]) -> list[tuple[int, int, float]]:
    """Heads with what belongs to them: surnames after a given name, initials before a surname. First and last word, score."""
    spans: list[tuple[int, int, float]] = []
    reached = -1
    for place in sorted(heads):
        if place <= reached:
            continue
        last, score = place, heads[place]
        while goes_on(words, place, last):
            last += (
                2
                if words.keys[last + 1] in PARTICLES and last + 2 < len(words) and words.gap(last + 1) in (" ", "-", "'", "’")
                else 1
            )
        first = particles_before(words, initials_before(words, place, reached), reached)
        reached = last
        spans.append((first, last, max(score, LIKELY) if is_full_name(words, place, last) else score))
    return spans


def is_full_name(words: Words, head: int, last: int) -> bool:
    """ "Abigail Thorne": behind a given name a capital is a surname, though a town is called so."""
    given = words.flags[head] & GIVEN and not words.flags[head] & (PLACE | PUBLIC) and head not in words.phrases
    return bool(last > head and given and words.capital(head) and words.capital(last))


def goes_on(words: Words, head: int, last: int) -> bool:
    """Whether the word after `last` is one more part of the name that begins at `head`."""
    after, gap, capital = last + 1, words.gap(last), words.capital(head)
    if after >= len(words) or words.stops[last] > words.ends[last]:
        return False
    if gap == "-":
        syllable = capital and len(words.keys[last]) <= SHORT and last > head  # "Kim Ji-young"
        return words.capital(after) or syllable or not words.flags[after] & (FREQUENT if capital else ORDINARY)
    if gap in (" ", ", ") and words.text[words.starts[after] : words.ends[after]] in SUFFIXES:
        return True
    if gap not in (" ", ". ", ".", "  "):
        return False
    if words.keys[after] in PARTICLES and words.gap(after) in (" ", "-", "'", "’") and words.capital(after + 1) and gap == " ":
        return True
    flags = words.flags[after]
    if gap == " " and words.keys[after] == "a" and words.capital(after) and capital and words.gap(after).startswith("."):
        return True  # "Tunde A."
    if words.cues[after] & (FUNCTION | TIME) or (flags & PUBLIC and not flags & SURNAME):
        return False
    if gap in (". ", "."):  # "A. Wood", "R.K."
        return len(words.keys[last]) == 1 and words.capital(after) and (gap == ". " or len(words.keys[after]) == 1)
    if words.capital(after) and capital:
        if len(words.keys[after]) == 1:  # "Anna K. told me", "Deepika R"
            return words.keys[after] not in ("i", "a", "u", "x")
        return (
            bool(flags & (SURNAME | GIVEN))
            or not flags & FREQUENT
            or says_or_ends(words, after)
            or (len(words.keys[after]) <= SHORT and words.gap(after) == "-")
        )
    if words.capital(after):
        return False
    return lower_surname(words, after, flags)


def lower_surname(words: Words, place: int, flags: int) -> bool:
    if words.keys[place] in LAST_INITIALS and words.gap(place) == " " and words.key(place + 1) in BEHIND_INITIAL:
        return True  # "priya s in my class"
    if words.cues[place] & (KIN | SAYS | DOES):
        return False
    if flags & SURNAME and not flags & FREQUENT:
        return not flags & ORDINARY or says_or_ends(words, place)
    if flags & GIVEN and not flags & FREQUENT and len(words.keys[place - 1]) <= SHORT:
        return True  # "wei ling", "mary jo"
    if flags & GIVEN and not flags & ORDINARY:
        return False
    return flags == 0 and len(words.keys[place]) >= 5 and is_unknown(words, place) and not is_misspelt_name(words, place)


def particles_before(words: Words, place: int, reached: int) -> int:
    """ "van der Berg" begins with the van."""
    first = place
    while first - 1 > reached and words.capital(place) and words.before(first) == " " and words.keys[first - 1] in PARTICLES:
        first -= 1
    return first if words.keys[first] in LEADING or words.capital(first) else place


def initials_before(words: Words, place: int, reached: int) -> int:
    """ "J. R. Whitfield" begins with the J."""
    while (
        place - 1 > reached
        and words.capital(place)
        and len(words.keys[place - 1]) == 1
        and words.capital(place - 1)
        and (
            words.gap(place - 1) in (". ", ".")
            or (words.gap(place - 1) == " " and words.keys[place - 1] not in ("i", "a", "u", "x"))
        )
    ):
        place -= 1
    return place


def listed(words: Words, spans: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """ "Zayn, Inaya and Musa": an unknown capital in a row of names is a name."""
    more: list[tuple[int, int, float]] = []
    taken = {place for first, last, _ in spans for place in range(first, last + 1)}
    for first, last, _ in spans:
        after = last + 1
        if (words.gap(last).strip() == "" and words.key(after) in ("and", "n")) or AGED_AND.fullmatch(words.gap(last)):
            after += 1
        elif words.gap(last) not in (", ", " & ", "/"):
            after = -1
        before = first - 1
        if words.key(before) in ("and", "n") and words.gap(before) == " ":
            before -= 1
        elif words.before(first) not in (", ", " & ", "/"):
            before = -1
        for place in (before, after):
            if not 0 <= place < len(words) or place in taken or not is_nameable(words, place):
                continue
            fits = words.shapes[place] == TITLE and not words.begins(place)
            fits = fits or (words.shapes[place] == LOWER and bool(words.flags[place] & GIVEN) and words.shapes[first] == LOWER)
            plain = words.flags[place] & ORDINARY and not (words.flags[place] & GIVEN and words.shapes[place] == TITLE)
            if (
                fits
                and not plain
                and not words.flags[place] & (PUBLIC | COUNTRY | REGION)
                and words.key(place - 1) not in DETERMINERS
            ):
                more.append((place, place, POSSIBLE))
                taken.add(place)
    return more


def name_parts(words: Words, found: list[Identifier]) -> frozenset[str]:
    """The single words of the names that were found."""
    spans = [(one.start, one.end) for one in found if one.kind == "name"]
    inside = (
        key
        for key, start in zip(words.keys, words.starts, strict=True)
        if len(key) >= 3 and any(low <= start < high for low, high in spans)
    )
    return frozenset(inside)


def repeated(words: Words, parts: frozenset[str]) -> list[Identifier]:
    """Every place where a word stands that was a name elsewhere, written as a name may be."""
    return [
        Identifier(words.starts[place], words.ends[place], "name", POSSIBLE)
        for place, key in enumerate(words.keys)
        if key in parts and (not words.flags[place] & ORDINARY or (words.capital(place) and not words.begins(place)))
    ]
