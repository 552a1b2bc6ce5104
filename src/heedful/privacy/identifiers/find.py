"""Find: a text in; its identifiers, in order, none over another, out.

Each recognizer is a function of the words; where two want the same characters, the surer one has them.
"""

from collections.abc import Iterable, Sequence

from heedful.privacy.identifiers.addresses import find_addresses
from heedful.privacy.identifiers.addresses_named import find_named_addresses
from heedful.privacy.identifiers.ages import find_ages
from heedful.privacy.identifiers.ages_stated import find_stated_ages
from heedful.privacy.identifiers.contact import find_contacts, public_spans
from heedful.privacy.identifiers.dates import find_dates
from heedful.privacy.identifiers.employers import find_employers
from heedful.privacy.identifiers.fields import find_fields
from heedful.privacy.identifiers.handles import find_handles
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.known import find_known, read_known
from heedful.privacy.identifiers.model import find_by_model
from heedful.privacy.identifiers.names import find_names, name_parts, repeated
from heedful.privacy.identifiers.numbers import find_numbers
from heedful.privacy.identifiers.places import find_places
from heedful.privacy.identifiers.schools import find_schools
from heedful.privacy.identifiers.words import Words, read_words

RECOGNIZERS = (
    find_contacts,
    find_handles,
    find_numbers,
    find_fields,
    find_dates,
    find_addresses,
    find_named_addresses,
    find_employers,
    find_schools,
    find_names,
    find_places,
    find_ages,
    find_stated_ages,
    find_by_model,
)


def find_identifiers(text: str, known: Iterable[str] = ()) -> list[Identifier]:
    """`known` is what is known of the persons in the text: names, e-mail addresses, telephone numbers and the like."""
    return find_in_texts([text], known)[0]


def find_in_texts(texts: Sequence[str], known: Iterable[str] = ()) -> list[list[Identifier]]:
    """Identifiers of each text of one conversation: a name that one text gives away is found in all of them."""
    account = read_known(tuple(known))
    pages = [read_words(text) for text in texts]
    found = [[*find_known(words, account), *(one for recognize in RECOGNIZERS for one in recognize(words))] for words in pages]
    if len(pages) > 1:
        parts = frozenset().union(*(name_parts(words, each) for words, each in zip(pages, found, strict=True)))
        found = [[*each, *repeated(words, parts)] for words, each in zip(pages, found, strict=True)]
    return [resolved(words, each) for words, each in zip(pages, found, strict=True)]


def resolved(words: Words, found: Iterable[Identifier]) -> list[Identifier]:
    """The surest first, then the longest; what lies over one that was taken, or inside an address of a public body, is left out."""
    found = merged(found)
    taken: list[Identifier] = []
    closed = public_spans(words)
    for one in sorted(found, key=lambda i: (-i.score, i.start - i.end, i.start)):
        if all(one.end <= other.start or one.start >= other.end for other in taken) and not any(
            low <= one.start < high for low, high in closed
        ):
            taken.append(one)
    return sorted(taken, key=lambda i: i.start)


def merged(found: Iterable[Identifier]) -> list[Identifier]:
    """Spans of one kind that overlap become one, as sure as the surer."""
    whole: list[Identifier] = []
    for one in sorted(found, key=lambda i: (i.kind, i.start, -i.end)):
        last = whole[-1] if whole else None
        if last is not None and last.kind == one.kind and one.start < last.end:
            whole[-1] = Identifier(last.start, max(last.end, one.end), one.kind, max(last.score, one.score))
        else:
            whole.append(one)
    return whole
