"""Fields: a text that is filled in like a form ("Name - Deepika", "City: Pune") in; the values of its fields, out."""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.cues import CUES, FUNCTION
from heedful.privacy.identifiers.kinds import Identifier, Kind
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

LABELS: dict[str, Kind] = {
    **dict.fromkeys(("name", "first name", "last name", "full name", "surname", "patient", "client"), "name"),
    **dict.fromkeys(
        ("place", "city", "town", "location", "state", "country", "hometown", "birthplace", "district", "village"), "place"
    ),
    **dict.fromkeys(("school", "college", "university"), "school"),
    **dict.fromkeys(("employer", "company", "workplace"), "employer"),
    "age": "age",
}
SIGNS = word_set(" ".join(LABELS))
FIELD = re.compile(
    rf"(?:^|[\n,;|/]|\.\s)[ \t*]*(?:my |the )?(?P<label>{'|'.join(sorted(LABELS, key=len, reverse=True))})[ \t*]*[:=\-–—]+[ \t*]*"
    r"(?P<value>[^\n,;:|/]{1,40}?)(?=\s*(?:$|[\n,;|/]|\.(?:\s|$)|\s[-–—]\s))",
    re.IGNORECASE,
)
AGE = re.compile(r"\d{1,3}")
NAME = re.compile(r"[^\W\d_][\w'’.-]*(?: [^\W\d_][\w'’.-]*){0,3}")
FIELD_SCORE = 0.96


def find_fields(words: Words) -> Iterator[Identifier]:
    if SIGNS.isdisjoint(words.present):
        return
    for match in FIELD.finditer(words.text):
        kind = LABELS[match.group("label").lower()]
        value = (AGE if kind == "age" else NAME).match(match.group("value"))
        if value is None or (kind != "age" and not is_value(match.group("value"), kind)):
            continue
        start = match.start("value")
        yield Identifier(start, start + value.end(), kind, FIELD_SCORE)


def is_value(value: str, kind: Kind) -> bool:
    """A few words that are no sentence: "Name: withheld because I am scared" tells none."""
    parts = value.split()
    plain = any(CUES.get(part.lower(), 0) & FUNCTION for part in parts)
    return len(parts) <= (3 if kind == "name" else 5) and not plain
