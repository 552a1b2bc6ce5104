"""Knowledge: documents that a team added in; passages that bear on a question out. `search` is how the other rooms ask."""

from heedful.knowledge.retrieval import Passage, search

__all__ = ["Passage", "search"]
