"""What the doctor looks at in the knowledge base: a workspace in; a level, what was found and what mends it, out."""

from typing import Literal

from heedful.errors import KnowledgeError, ModelError
from heedful.knowledge.index import Index, open_index
from heedful.knowledge.shelves import load
from heedful.modeling.embedder import weights_folder
from heedful.workspace import Workspace

Finding = tuple[Literal["ok", "warning", "problem"], str, str]
NAMED = 3  # documents of a finding


def check_knowledge(workspace: Workspace) -> Finding:
    """It counts chunks and does not read every byte of their texts."""
    try:
        load(workspace)
        index = open_index(workspace)
        if index is None:
            return "ok", "no documents", ""
        weights_folder()
        return look(index)
    except (KnowledgeError, ModelError) as error:
        return "problem", error.text, error.next_step


def look(index: Index) -> Finding:
    """Raises KnowledgeError for files that cannot be read."""
    documents, incomplete = index.documents(), index.incomplete()
    if incomplete:
        more = f" and {len(incomplete) - NAMED} more" if len(incomplete) > NAMED else ""
        found = f"chunks are missing of {', '.join(incomplete[:NAMED])}{more}"
        return "problem", found, "heedful knowledge remove each of them, then heedful knowledge add its file"
    if index.owes_purge:
        return "warning", "a removal was interrupted: what was removed may be on the disk still", "heedful knowledge update"
    return "ok", f"{len(documents)} documents, {sum(document.chunks for document in documents)} chunks", ""
