"""Documents: files in; the knowledge base changed, and an audit event for each document that came, changed or went, out.

The index commits first, for it may take minutes and a transaction of the store must not; a kill between the two leaves a document
without its event, never an event without its document. Events hold ids, hashes and counts: a file's name may name a person.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from heedful.knowledge.index import Document
from heedful.knowledge.library import Added, Observe, add_files, remove_documents, update_documents
from heedful.knowledge.shelves import forget_attributes
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.workspace import Workspace

ACTIONS = {"new": "knowledge.added", "updated": "knowledge.updated"}
REMOVED = "knowledge.removed"


def add(
    workspace: Workspace, store: Store, actor: str, paths: Sequence[Path], collection: str, observe: Observe | None = None
) -> Added:
    """Raises KnowledgeError for a path that is not there."""
    added = add_files(workspace, paths, collection, observe)
    with store.session() as session:
        record_added(session, actor, added)
    return added


def update(
    workspace: Workspace, store: Store, actor: str, collections: Sequence[str] = (), observe: Observe | None = None
) -> tuple[Added, tuple[Document, ...]]:
    """Second: documents whose file is gone; they stay."""
    added, gone = update_documents(workspace, collections, observe)
    with store.session() as session:
        record_added(session, actor, added)
    return added, gone


def remove(
    workspace: Workspace, store: Store, actor: str, wanted: Sequence[str], collections: Sequence[str] = ()
) -> list[Document]:
    """Raises KnowledgeError for a name that nothing has, or that several documents have."""
    removed = remove_documents(workspace, wanted, collections)
    forget_attributes(workspace, removed)
    with store.session() as session:
        record_removed(session, actor, removed)
    return removed


def record_added(session: Session, actor: str, added: Added) -> None:
    """What stayed the same is no event."""
    for outcome, document in added.documents:
        if outcome in ACTIONS:
            record(session, actor, ACTIONS[outcome], document.id, told(document))


def record_removed(session: Session, actor: str, documents: Iterable[Document]) -> None:
    for document in documents:
        record(session, actor, REMOVED, document.id, told(document))


def told(document: Document) -> dict[str, object]:
    names = ("collection", "version", "chunks", "sha256")
    return {name: getattr(document, name) for name in names}
