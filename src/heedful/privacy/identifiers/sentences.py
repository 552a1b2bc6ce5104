"""Sentences: a place in a text in; whether the sentence around it is about somebody, out.

"In the United States 280 million people live with it" is about nobody, and keeps its places and years; "I moved to the States in
2015" is about somebody.
"""

import re
from bisect import bisect_left

from heedful.privacy.identifiers.cues import PERSONAL
from heedful.privacy.identifiers.lexicon import CITY, COUNTRY, GIVEN, ORDINARY, PUBLIC, REGION
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

END = re.compile(r"[.!?\n](?:\s|$)")
REACH = 160
# Chats drop the "I": "moved to Ohio last year", "from Kerala".
OPENINGS = word_set(
    """
    moved moving live lived living born grew from went going visiting visited based stuck studying studied work worked working
    flew fled came originally currently just still got student single male female divorced married here back near retired
    """
)


def sentence(text: str, start: int, end: int) -> tuple[int, int]:
    low = max(0, start - REACH)
    begins = low
    for match in END.finditer(text, low, start):
        begins = match.end()
    ends = END.search(text, end, end + REACH)
    return begins, ends.start() if ends else min(len(text), end + REACH)


def is_personal(words: Words, start: int, end: int) -> bool:
    low, high = sentence(words.text, start, end)
    first, last = bisect_left(words.starts, low), bisect_left(words.starts, high)
    if any(cue & PERSONAL for cue in words.cues[first:last]) or words.key(first) in OPENINGS:
        return True
    return any(flags & GIVEN and not flags & (ORDINARY | PUBLIC | CITY | REGION | COUNTRY) for flags in words.flags[first:last])
