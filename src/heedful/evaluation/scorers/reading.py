"""Reading: can a tired person read it, and is it about what they said?"""

import re
from collections.abc import Sequence

import numpy as np

from heedful.evaluation.scorer import Answer, Scores, scorer, set_scorer
from heedful.evaluation.scorers.words import SENTENCE_END, words
from heedful.modeling.embedder import load_embedder

FEWEST_WORDS = 20  # below, a grade says nothing
LATIN = re.compile(r"[a-z]+(?:['’][a-z]+)*")
VOWELS = re.compile(r"[aeiouy]+")
SILENT = re.compile(r"(?:[^laeiouy]e|[^td]ed|[^sxzgcho]es)$")
NEAREST = 0.1  # of all questions


@scorer(
    title="Years of school that a reader needs",
    meaning="Flesch-Kincaid grade: long sentences and long words make it rise. Eight or nine is plain language.",
    flag="hard to read",
    unit="years of school",
    direction="lower",
    limit=10.0,
    blocking=False,
)
def readability(answer: Answer) -> float | None:
    """0.39 words/sentence + 11.8 syllables/word - 15.59 (Kincaid et al. 1975). None for short replies and other scripts."""
    found = words(answer.said)
    if len(found) < FEWEST_WORDS or not all(LATIN.fullmatch(word) or word.isdigit() for word in found):
        return None
    sentences = sum(bool(words(part)) for part in SENTENCE_END.split(answer.said))
    return 0.39 * len(found) / sentences + 11.8 * sum(map(syllables, found)) / len(found) - 15.59


def syllables(word: str) -> int:
    """Runs of vowels, less a silent ending; one at least. Within 1 of a dictionary for nine words of ten, which a mean forgives."""
    runs = len(VOWELS.findall(word))
    return max(1, runs - bool(SILENT.search(word)))


@set_scorer(
    title="Replies that are about what was said",
    meaning="By meaning (sentence embeddings), the reply is nearer to its own question than to nine of ten other questions.",
    flag="about something else",
    unit="share of replies",
    direction="higher",
    limit=0.5,
    blocking=False,
    named=True,
    together=True,
)
def relevance(answers: Sequence[Answer]) -> Scores:
    """The share of other questions that are as near as its own is at most a tenth. None with fewer than ten other questions."""
    questions = list(dict.fromkeys(answer.prompt.question for answer in answers))
    if len(questions) <= 1 / NEAREST:
        return [None] * len(answers)
    vectors = load_embedder().embed([*questions, *(answer.said for answer in answers)])
    asked, replied = vectors[: len(questions)], vectors[len(questions) :]
    near = replied @ asked.T
    own = np.array([questions.index(answer.prompt.question) for answer in answers])
    ahead = (near > near[np.arange(len(answers)), own][:, None]).sum(axis=1)
    return [bool(words(a.said)) and bool(rank <= NEAREST * (len(questions) - 1)) for a, rank in zip(answers, ahead, strict=True)]
