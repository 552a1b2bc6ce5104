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
    return stutters(words) or (PASSAGE if says_again(words) else 0)


def stutters(words: Sequence[str]) -> int:
    for size in range(1, min(LONGEST_STUTTER, len(words) - 1) + 1):
        if words[-1] != words[-1 - size]:
            continue  # nearly always: the guard asks at each word
        times = STUTTER + 1 if size == 1 else STUTTER if size < 3 else STUTTER - 1
        tail = list(words[-size * times :])
        if len(tail) == size * times and tail == tail[:size] * times:
            return size * (times - 1)
    return 0


def says_again(words: Sequence[str]) -> bool:
    """Whether the last PASSAGE words stood there before, and not over themselves."""
    last = list(words[-PASSAGE:])
    end = len(words) - PASSAGE  # of where a passage before may reach to
    place = PASSAGE - 1
    while place < end:
        try:
            place = words.index(last[-1], place, end)
        except ValueError:
            return False
        if list(words[place - PASSAGE + 1 : place + 1]) == last:
            return True
        place += 1
    return False
