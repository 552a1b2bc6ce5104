"""Topics: what people wrote, in; some groups of conversations, each with its most telling words and its share, out.

Words are weighed by how rare they are (TF-IDF), and conversations are grouped by the angle between them (spherical k-means; Dhillon
and Modha, 2001). At most `MOST_TEXTS` conversations with different questions are looked at, and only words that several of them use
are ever shown, so that no word tells of one person.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from heedful.dataset.words import UNSPACED_CHARACTER, words

MOST_TEXTS, LEAST_TEXTS = 2_000, 40
LEAST_USERS, USERS_SHARE, COMMON_SHARE = 5, 0.005, 0.3  # conversations that use a word: at least so many, so large a share; at most
MOST_WORDS, LEAST_LETTERS, SHOWN = 800, 4, 5
MOST_TOPICS, TEXTS_A_TOPIC = 8, 60
ROUNDS, STARTS = 30, 8
GRAMMAR_WORDS = """
    about after again also always because been before being between both came cannot come could does doing done down each else
    even ever every feel feels felt find from get gets getting give goes going gone have having here into just keep kind know
    like little long look lots made make makes many maybe more most much must need never only other over people person really
    said same says should since some someone something still such sure take tell than thank thanks that their them then there
    these they thing things think this those though through time told took tried trying very want wants well went were what
    when where which while will with without would wrong your yours yourself anything everything nothing anyone everyone right
    help good better best talk seems sounds able back around away ways part start started please hello hear sorry great okay
    year years month months week weeks today
    thats whats theres shes dont cant feeling myself himself herself themselves
"""
GRAMMAR = frozenset(GRAMMAR_WORDS.split())

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Topic:
    """`words` are the most telling ones, `share` is of the conversations that were looked at."""

    words: tuple[str, ...]
    share: float


def telling_words(text: str) -> frozenset[str]:
    """Words of some length; in scripts without spaces, pairs of characters."""
    spoken = words(text)
    pairs = (one + other for one, other in pairwise(spoken) if UNSPACED_CHARACTER.match(one) and UNSPACED_CHARACTER.match(other))
    return frozenset(
        {word for word in spoken if len(word) >= LEAST_LETTERS and word.isalpha() and word not in GRAMMAR} | set(pairs)
    )


def find_topics(texts: Sequence[frozenset[str]], seed: int) -> list[Topic]:
    """Largest first. Empty when there is too little to group."""
    if len(texts) < LEAST_TEXTS:
        return []
    vocabulary, weights = weigh(texts)
    vectors = vectorise(texts, vocabulary, weights)
    vectors = vectors[np.linalg.norm(vectors, axis=1) > 0]
    topics = min(MOST_TOPICS, len(vectors) // TEXTS_A_TOPIC)
    if topics < 2:
        return []
    groups, centres = cluster(vectors, topics, seed)
    known = list(vocabulary)
    found = []
    for group, centre in enumerate(centres):
        best = [known[place] for place in np.argsort(-centre, kind="stable")[:SHOWN] if centre[place] > 0]
        found.append(Topic(tuple(best), round(float((groups == group).sum()) / len(texts), 4)))
    return sorted(found, key=lambda topic: (-topic.share, topic.words))


def weigh(texts: Sequence[frozenset[str]]) -> tuple[dict[str, int], Vectors]:
    """The words that may be shown, by place, and the weight of each."""
    users = Counter(word for text in texts for word in text)
    least, most = max(LEAST_USERS, USERS_SHARE * len(texts)), COMMON_SHARE * len(texts)
    fit = sorted((word for word, count in users.items() if least <= count <= most), key=lambda word: (-users[word], word))[
        :MOST_WORDS
    ]
    weights = np.log(len(texts) / np.array([users[word] for word in fit], np.float32))
    return {word: place for place, word in enumerate(fit)}, weights.astype(np.float32)


def vectorise(texts: Sequence[frozenset[str]], vocabulary: dict[str, int], weights: Vectors) -> Vectors:
    """[texts, words], each row of length one, or nought where a text has none of the words."""
    vectors = np.zeros((len(texts), len(vocabulary)), np.float32)
    for row, text in enumerate(texts):
        vectors[row, [vocabulary[word] for word in text if word in vocabulary]] = 1
    vectors *= weights
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normed: Vectors = np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return normed


def cluster(vectors: Vectors, topics: int, seed: int) -> tuple[NDArray[np.int64], Vectors]:
    """The tightest of several starts: the group of each text, and the centre of each group."""
    draw = np.random.default_rng(seed)
    runs = [run(vectors, draw.choice(len(vectors), topics, replace=False)) for _ in range(STARTS)]
    groups, centres, _ = max(runs, key=lambda one: one[2])
    return groups, centres


def run(vectors: Vectors, start: NDArray[np.int64]) -> tuple[NDArray[np.int64], Vectors, float]:
    centres = vectors[start].copy()
    groups = np.full(len(vectors), -1)
    for _ in range(ROUNDS):
        closeness = vectors @ centres.T
        nearest = closeness.argmax(axis=1)
        if (nearest == groups).all():
            break
        groups = nearest
        for group in range(len(centres)):
            total = vectors[groups == group].sum(axis=0)
            centres[group] = total / max(float(np.linalg.norm(total)), 1e-9)
    return groups, centres, float(closeness.max(axis=1).sum())
