"""Retrieval: a question in; the passages of the team's documents that bear on it out, best first, or none.

Two searches look: one by meaning (vectors), one by words (BM25). Their ranks are added up (reciprocal rank fusion: Cormack,
Clarke and Büttcher 2009, SIGIR). A passage whose vector is too far from the question's is left out: no source is better than a
wrong one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from heedful.knowledge.index import TABLE, Hit, Index, Vectors, open_index
from heedful.modeling.embedder import load_embedder
from heedful.workspace import Workspace, find_workspace

CANDIDATES = 50  # of each search
RANK_CONSTANT = 60.0
BY_MEANING, BY_WORDS = 1.0, 1.0  # weights of the two rankings; measured, see docs/log.md
FLOOR = 0.30  # least cosine of question and passage; measured, see docs/log.md


@dataclass(frozen=True, slots=True)
class Passage:
    """`document` is the document's name, `section` its headings down to the text, `page` None where there are no pages.

    `score` is 1 for what both searches put first, and falls with the ranks; `similarity` is the cosine to the question.
    """

    document: str
    title: str
    section: str
    page: int | None
    text: str
    score: float
    similarity: float = 0.0
    collection: str = ""
    document_id: str = ""
    ordinal: int = 0


def search(
    workspace: Workspace | Path | str, query: str, k: int = 5, collections: Sequence[str] = (), floor: float = FLOOR
) -> list[Passage]:
    """At most `k` passages, of all collections or of those named. Nothing is found before anything was added.

    Raises KnowledgeError for an index that cannot be read, WorkspaceError where there is no workspace.
    """
    place = workspace if isinstance(workspace, Workspace) else find_workspace(Path(workspace))
    index = opened(place)
    if index is None or not query.strip() or k < 1:
        return []
    vector = load_embedder().embed([query])[0]
    return search_vector(index, query, vector, k, collections, floor)


def search_vector(
    index: Index, words: str, vector: Vectors, k: int, collections: Sequence[str] = (), floor: float = FLOOR
) -> list[Passage]:
    """The same with the question's vector at hand, which may be of another text than the words."""
    by_meaning = index.nearest(vector, CANDIDATES, collections)
    by_words = index.wording(words, CANDIDATES, collections)
    passages = fuse(by_meaning, by_words, vector)
    return [passage for passage in passages if passage.similarity >= floor][:k]


def fuse(by_meaning: Sequence[Hit], by_words: Sequence[Hit], vector: Vectors) -> list[Passage]:
    """Every hit once, by the sum of what its ranks are worth."""
    worth: dict[tuple[str, int], float] = {}
    hits: dict[tuple[str, int], Hit] = {}
    for ranking, weight in ((by_meaning, BY_MEANING), (by_words, BY_WORDS)):
        for rank, hit in enumerate(ranking, start=1):
            key = (hit.document, hit.ordinal)
            hits[key] = hit
            worth[key] = worth.get(key, 0.0) + weight / (RANK_CONSTANT + rank)
    best = (BY_MEANING + BY_WORDS) / (RANK_CONSTANT + 1)
    order = sorted(hits, key=lambda key: (-worth[key], key))
    return [passage_of(hits[key], worth[key] / best, float(np.dot(hits[key].vector, vector))) for key in order]


def passage_of(hit: Hit, score: float, similarity: float) -> Passage:
    return Passage(
        hit.name, hit.title, hit.section, hit.page, hit.text, score, similarity, hit.collection, hit.document, hit.ordinal
    )


def opened(workspace: Workspace) -> Index | None:
    """Kept open for the next search; opened anew when the folder is another one, as after a restore."""
    try:
        place = (workspace.knowledge / f"{TABLE}.lance").stat()
    except FileNotFoundError:
        return None
    return kept_open(workspace, place.st_ino)


@lru_cache(maxsize=4)
def kept_open(workspace: Workspace, inode: int) -> Index | None:
    return open_index(workspace)
