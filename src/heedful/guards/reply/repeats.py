"""Repeats: words of a reply in; where it begins to go in circles, or to recite its instructions, out."""

import re
from collections.abc import Sequence

WORD = re.compile(r"(?!\d+(?!\w))[^\W_]+(?:['’][^\W_]+)*")  # numbers of a list do not make it another
PROMPT_WORDS = 8  # in a row, as in the instructions: seven are said by chance
SENTENCE_WORDS = 6  # of a whole sentence of them
SENTENCES = re.compile(r"[.!?:\n]+")
PASSAGE = 14  # words in a row that were there before
STUTTER = 4  # times the same few words, one after the other
LONGEST_STUTTER = 13  # words


def words_of(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in WORD.findall(text)]


def prompt_grams(prompts: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """All runs of PROMPT_WORDS words of the instructions, and their whole sentences; of short ones, the whole."""
    grams: set[tuple[str, ...]] = set()
    for prompt in prompts:
        words = words_of(prompt)
        if 5 <= len(words) < PROMPT_WORDS:
            grams.add(tuple(words))
        sentences = (tuple(words_of(sentence)) for sentence in SENTENCES.split(prompt))
        grams |= {sentence for sentence in sentences if SENTENCE_WORDS <= len(sentence) < PROMPT_WORDS}
        grams |= {tuple(words[place : place + PROMPT_WORDS]) for place in range(len(words) - PROMPT_WORDS + 1)}
    return frozenset(grams)


def recites(words: Sequence[str], grams: frozenset[tuple[str, ...]]) -> int:
    """How many of the last words are a run of the instructions; 0 if they are none."""
    return next((size for size in range(PROMPT_WORDS, 4, -1) if len(words) >= size and tuple(words[-size:]) in grams), 0)


def repeats(words: Sequence[str]) -> int:
    """How many of the last words say again what was said; 0 if they do not."""
    for size in range(1, LONGEST_STUTTER + 1):
        times = STUTTER + 1 if size == 1 else STUTTER if size < 3 else STUTTER - 1
        tail = list(words[-size * times :])
        if len(tail) == size * times and tail == tail[:size] * times:
            return size * (times - 1)
    if len(words) >= 2 * PASSAGE:
        last = list(words[-PASSAGE:])
        starts = range(len(words) - 2 * PASSAGE, -1, -1)
        if any(words[start] == last[0] and list(words[start : start + PASSAGE]) == last for start in starts):
            return PASSAGE
    return 0
