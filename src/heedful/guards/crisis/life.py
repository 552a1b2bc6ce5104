"""Life: plain words in; whether the person says that they are under age, or are expecting or have just had a child, out."""

import re
from functools import lru_cache

from heedful.guards.crisis.lexicon import Kind
from heedful.guards.crisis.words import Words
from heedful.guards.tables import lines, table


@lru_cache(maxsize=4)
def expression(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(lines(table('life')[name]))})(?!\w)")


def life_kinds(words: Words) -> frozenset[Kind]:
    found: set[Kind] = set()
    for sentence in words.sentences:
        if expression("minor").search(sentence.text) and not expression("not_minor").search(sentence.text):
            found.add("minor")
        if expression("perinatal").search(sentence.text) and not expression("not_perinatal").search(sentence.text):
            found.add("perinatal")
    return frozenset(found)
