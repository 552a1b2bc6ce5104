"""Sentences: a place in a text in; whether the sentence around it is about somebody, out.

"In the United States 280 million people live with it" is about nobody, and keeps its places and years; "I moved to the States in
2015" is about somebody.
"""

import re

from heedful.privacy.identifiers.cues import PERSONAL
from heedful.privacy.identifiers.words import Words

END = re.compile(r"[.!?\n](?:\s|$)")
REACH = 160


def sentence(text: str, start: int, end: int) -> tuple[int, int]:
    low = max(0, start - REACH)
    begins = low
    for match in END.finditer(text, low, start):
        begins = match.end()
    ends = END.search(text, end, end + REACH)
    return begins, ends.start() if ends else min(len(text), end + REACH)


def is_personal(words: Words, start: int, end: int) -> bool:
    low, high = sentence(words.text, start, end)
    return any(cue & PERSONAL and low <= begins < high for cue, begins in zip(words.cues, words.starts, strict=True))
