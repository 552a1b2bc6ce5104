"""Other languages: the letters of a text in; what its outright statements in other languages say, out.

Fragments, not a translation: people fall back on the language they grew up with. What is in none of these is missed, and
docs/safety.md says so.
"""

import re
from functools import lru_cache

from heedful.guards.crisis.gates import Gate, compiled
from heedful.guards.crisis.letters import plain_letters
from heedful.guards.crisis.lexicon import Kind, word_beginnings
from heedful.guards.tables import lines, table

SPOKEN_OF: tuple[Kind, ...] = ("suicide", "self_harm", "abuse", "harm_to_others")
WORD_ENDS = re.compile(r"[^\w]+")


@lru_cache(maxsize=1)
def spaced() -> tuple[tuple[Kind, re.Pattern[str], Gate], ...]:
    """Languages that put spaces between words: searched as whole words."""
    return tuple(
        (kind, *compiled(plain_letters(line)))
        for entry in table("foreign")["languages"]
        if entry.get("spaced", True)
        for kind in SPOKEN_OF
        for line in lines(entry.get(kind, ""))
    )


@lru_cache(maxsize=1)
def unspaced() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    """Scripts without spaces, or with words that grow at both ends: searched anywhere."""
    return tuple(
        (kind, re.compile("|".join(plain_letters(line) for line in lines(entry[kind]))))
        for entry in table("foreign")["languages"]
        if not entry.get("spaced", True)
        for kind in SPOKEN_OF
        if kind in entry
    )


def find_foreign(letters: str) -> list[Kind]:
    there = word_beginnings(WORD_ENDS.sub(" ", letters))
    found = [
        kind for kind, expression, gate in spaced() if (gate is None or not gate.isdisjoint(there)) and expression.search(letters)
    ]
    if not letters.isascii():
        found += [kind for kind, expression in unspaced() if expression.search(letters)]
    return found
