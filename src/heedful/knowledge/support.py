"""Support: a sentence and the passages that were shown in; the passage that says what the sentence says out, or none.

Words propose, meaning decides: a passage's line comes into question when it holds most of the sentence's content words and all of
its numbers, and denies no more and no less; it supports the sentence when their vectors are near enough. So a sentence that goes
its own way costs no embedding. This is attribution after the fact: a source is looked for that holds what was said (RARR: Gao et
al. 2023, arXiv:2210.08726), to be judged by whether the cited passage supports the sentence (ALCE: Gao et al. 2023,
arXiv:2305.14627). It is no proof: who turns a fact round in the passage's own words is near to it as well.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from heedful.knowledge.attributing import Attribute
from heedful.knowledge.chunking import sentences
from heedful.knowledge.retrieval import Passage
from heedful.knowledge.rewriting import content_words
from heedful.modeling.embedder import load_embedder

SUPPORT = 0.65  # cosine; measured, see docs/log.md
SHARED = 0.5  # share of a sentence's content words that a line must hold
LEAST_WORDS = 3  # a sentence with fewer content words claims too little to have a source
PROPOSED = 4  # lines that are compared by meaning
DENIED = re.compile(r"\b(?:no|not|never|nobody|none|nor|neither|without|cannot)\b|n['’]t\b", re.IGNORECASE)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
ENDING = re.compile(r"(?:'s|ing|ed|es|s|e|y)$")  # enough of English to find "sleeps" in "sleeping"


def attribute_to(passages: Sequence[Passage], floor: float) -> Attribute:
    """Numbers begin at 1, as the passages are shown. `floor` is a cosine."""
    lines: list[tuple[int, str, frozenset[str]]] = []

    def attribute(sentence: str) -> int | None:
        words = stems(sentence)
        if len(words) < LEAST_WORDS or sentence.rstrip('"”’)').endswith("?"):
            return None
        if not lines:
            lines.extend((number, line, stems(line)) for number, one in enumerate(passages, 1) for line in lines_of(one))
        shared = sorted(((len(words & own) / len(words), -number, line) for number, line, own in lines), reverse=True)
        near = [(line, -number) for share, number, line in shared if share >= SHARED and agrees(sentence, line)][:PROPOSED]
        if not near:
            return None
        said, *read = load_embedder().embed([sentence, *(line for line, _ in near)])
        cosine, number = max((float(said @ vector), -number) for vector, (_, number) in zip(read, near, strict=True))
        return -number if cosine >= floor else None

    return attribute


def agrees(sentence: str, line: str) -> bool:
    """Numbers of the sentence stand in the line, and either both deny something or neither does."""
    return set(NUMBER.findall(sentence)) <= set(NUMBER.findall(line)) and bool(DENIED.search(sentence)) == bool(DENIED.search(line))


def lines_of(passage: Passage) -> Iterator[str]:
    """Its sentences, and each two that follow one another: a reply may draw two together."""
    told = [line.lstrip("-*• ") for line in sentences(passage.text)]
    yield from told
    yield from (f"{first} {second}" for first, second in pairwise(told))


@lru_cache(maxsize=4_096)
def stem(word: str) -> str:
    return ENDING.sub("", word) if len(word) > 4 else word


def stems(text: str) -> frozenset[str]:
    return frozenset(stem(word.lower()) for word in content_words(text))
