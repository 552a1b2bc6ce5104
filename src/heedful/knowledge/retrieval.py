"""Retrieval: a question in; the passages of the team's documents that bear on it out, best first, or none.

Two searches look: one by meaning (vectors), one by words (BM25). Their ranks are added up (reciprocal rank fusion: Cormack,
Clarke and Büttcher 2009, SIGIR). Where no passage's vector is near enough to the question's, nothing is found: no source is better
than a wrong one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from heedful.conversation import Message
from heedful.knowledge.index import TABLE, Candidate, Hit, Index, Vectors, open_index
from heedful.knowledge.rewriting import question_of
from heedful.modeling.embedder import load_embedder
from heedful.workspace import Workspace, find_workspace

CANDIDATES = 50  # of each search
RANK_CONSTANT = 10.0  # the three were measured on half of the questions, see docs/log.md
BY_MEANING, BY_WORDS = 2.0, 1.0  # weights of the two rankings
ASKING = 0.5  # what a passage is worth that only asks, as exercises do: it answers nobody
ALONE = 0.5  # share of the last turn by itself in the vector of a question that leans on the chat
FLOOR = 0.38  # cosine to the question that at least one passage must reach, else none is shown; measured, see docs/log.md
SLACK = 0.08  # so much lower may the others be


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
    source: str = ""
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


def search_within(workspace: Workspace, query: str, k: int, documents: Sequence[str]) -> list[Passage]:
    """The same, of these documents alone. Raises KnowledgeError."""
    index = opened(workspace)
    if index is None or not documents or not query.strip():
        return []
    vector = load_embedder().embed([query])[0]
    by_meaning = index.nearest(vector, CANDIDATES, (), documents=documents)
    by_words = index.wording(query, vector, CANDIDATES, (), documents)
    return passages_of(index, fuse(by_meaning, by_words), k, FLOOR)


def search_chat(
    workspace: Workspace, messages: Sequence[Message], k: int, collections: Sequence[str] = (), floor: float = FLOOR
) -> list[Passage]:
    """What bears on the person's last turn, read together with what it goes on from. Raises as `search`."""
    question = question_of(messages)
    if not question.context:
        return search(workspace, question.text, k, collections, floor)
    index = opened(workspace)
    if index is None or k < 1:
        return []
    together = f"{question.context} {question.text}"
    alone, joined = load_embedder().embed([question.text, together])
    vector = ALONE * alone + (1 - ALONE) * joined
    return search_vector(index, together, vector / np.linalg.norm(vector), k, collections, floor)


def search_vector(
    index: Index, words: str, vector: Vectors, k: int, collections: Sequence[str] = (), floor: float = FLOOR
) -> list[Passage]:
    """The same with the question's vector at hand, which may be of another text than the words."""
    by_meaning = index.nearest(vector, CANDIDATES, collections)
    by_words = index.wording(words, vector, CANDIDATES, collections)
    return passages_of(index, fuse(by_meaning, by_words), k, floor)


def passages_of(index: Index, ranked: Sequence[tuple[Candidate, float]], k: int, floor: float) -> list[Passage]:
    """The best `k` that pass the floor."""
    if max((one.similarity for one, _ in ranked), default=-1.0) < floor:
        return []
    best = [(one, score) for one, score in ranked if one.similarity >= floor - SLACK][:k]
    of = {one.key: (score, one.similarity) for one, score in best}
    return [passage_of(hit, *of[hit.key]) for hit in index.hits([one for one, _ in best])]


def fuse(by_meaning: Sequence[Candidate], by_words: Sequence[Candidate]) -> list[tuple[Candidate, float]]:
    """Every candidate once with its score, by the sum of what its ranks are worth."""
    worth: dict[tuple[str, int], float] = {}
    found: dict[tuple[str, int], Candidate] = {}
    for ranking, weight in ((by_meaning, BY_MEANING), (by_words, BY_WORDS)):
        for rank, one in enumerate(ranking, start=1):
            found[one.key] = one
            share = weight / (RANK_CONSTANT + rank) * (ASKING if one.asks else 1.0)
            worth[one.key] = worth.get(one.key, 0.0) + share
    most = (BY_MEANING + BY_WORDS) / (RANK_CONSTANT + 1)
    return [(found[key], worth[key] / most) for key in sorted(found, key=lambda key: (-worth[key], key))]


def passage_of(hit: Hit, score: float, similarity: float) -> Passage:
    return Passage(
        document=hit.name,
        title=hit.title,
        section=hit.section,
        page=hit.page,
        text=hit.text,
        score=score,
        similarity=similarity,
        collection=hit.collection,
        document_id=hit.document,
        source=hit.source,
        ordinal=hit.ordinal,
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
