"""Shelves: collections as a client of the API makes them, with a name, a time and labels. A JSON file in `knowledge/` holds these.

A collection that documents were added to on the command line is a shelf as well; it is called as the collection.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from heedful.errors import KnowledgeError
from heedful.knowledge.index import Document, writing
from heedful.knowledge.library import UPLOADED, list_documents, remove_documents
from heedful.workspace import Workspace, write_text

FILE = "shelves.json"
PREFIX = "vs_"


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that were attached together, and how many of them could not be read."""

    created_at: int
    files: tuple[str, ...]
    failed: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """`id` is the collection. `created_at` is in seconds since 1970. `failed`: uploads that could not be read, and why.

    `attributes` are those that a client gave its files, by their ids.
    """

    id: str
    name: str
    created_at: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    batches: Mapping[str, Batch] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()


def make_shelf(workspace: Workspace, name: str, metadata: Mapping[str, str]) -> Shelf:
    shelf = Shelf(f"{PREFIX}{uuid.uuid4().hex[:24]}", name, int(datetime.now(UTC).timestamp()), dict(metadata))
    with writing(workspace):
        save(workspace, {**load(workspace), shelf.id: shelf})
    return shelf


def list_shelves(workspace: Workspace) -> list[Shelf]:
    """Oldest first, each with its documents."""
    there = load(workspace)
    held: dict[str, list[Document]] = {}
    for document in list_documents(workspace):
        held.setdefault(document.collection, []).append(document)
    for collection, documents in held.items():
        began = min(document.added_at for document in documents)
        there.setdefault(collection, Shelf(collection, collection, int(began.timestamp())))
    shelves = [replace(shelf, documents=tuple(held.get(shelf.id, ()))) for shelf in there.values()]
    return sorted(shelves, key=lambda shelf: (shelf.created_at, shelf.id))


def find_shelf(workspace: Workspace, wanted: str) -> Shelf:
    """Raises KnowledgeError."""
    found = next((shelf for shelf in list_shelves(workspace) if shelf.id == wanted), None)
    if found is None:
        raise KnowledgeError(f"there is no collection {wanted[:64]!r}", "heedful knowledge list")
    return found


def note_failure(workspace: Workspace, wanted: str, upload: str, reason: str) -> None:
    """Keep why an upload could not be read, or with an empty reason forget it. Raises KnowledgeError."""
    change(workspace, wanted, lambda shelf: replace(shelf, failed=with_one(shelf.failed, upload, reason)))


def note_attributes(workspace: Workspace, wanted: str, file_id: str, given: Mapping[str, Any]) -> None:
    """In place of those that the file had; nothing given forgets them. Raises KnowledgeError."""
    change(workspace, wanted, lambda shelf: replace(shelf, attributes=with_one(shelf.attributes, file_id, dict(given))))


def note_batch(workspace: Workspace, wanted: str, batch: Batch) -> str:
    """Returns its id. Raises KnowledgeError."""
    batch_id = f"vsfb_{uuid.uuid4().hex[:24]}"
    change(workspace, wanted, lambda shelf: replace(shelf, batches={**shelf.batches, batch_id: batch}))
    return batch_id


def forget_attributes(workspace: Workspace, removed: Iterable[Document]) -> None:
    """Of documents that were taken off the disk: what a client said of them goes too."""
    for document in removed:
        if document.collection in load(workspace):
            note_attributes(workspace, document.collection, file_id_of(document), {})


def file_id_of(document: Document) -> str:
    """The uploaded file's; a document of the command line has its own."""
    return document.source.removeprefix(UPLOADED) if document.source.startswith(UPLOADED) else document.id


def with_one(there: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """An empty value takes the key out."""
    kept = {name: held for name, held in there.items() if name != key}
    return {**kept, key: value} if value else kept


def change(workspace: Workspace, wanted: str, changed: Callable[[Shelf], Shelf]) -> None:
    """Read and written under one lock, for requests come at the same time. Raises KnowledgeError."""
    with writing(workspace):
        shelf = find_shelf(workspace, wanted)
        after = changed(shelf)
        if after != shelf:
            save(workspace, {**load(workspace), shelf.id: after})


def remove_shelf(workspace: Workspace, wanted: str) -> list[Document]:
    """With all its documents, which are gone from the disk. Raises KnowledgeError."""
    shelf = find_shelf(workspace, wanted)
    removed = remove_documents(workspace, [], [shelf.id]) if shelf.documents else []
    with writing(workspace):
        save(workspace, {key: one for key, one in load(workspace).items() if key != shelf.id})
    return removed


def load(workspace: Workspace) -> dict[str, Shelf]:
    """Raises KnowledgeError for a damaged file."""
    path = workspace.knowledge / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {row["id"]: shelf_of(row) for row in rows}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError):
        raise KnowledgeError(f"{path} is damaged", "restore it from a backup, or remove it: documents stay") from None


def shelf_of(row: dict[str, Any]) -> Shelf:
    batches = {key: Batch(one["created_at"], tuple(one["files"]), one["failed"]) for key, one in row.get("batches", {}).items()}
    return Shelf(**{**row, "batches": batches})


def save(workspace: Workspace, shelves: Mapping[str, Shelf]) -> None:
    rows = [{key: value for key, value in asdict(shelf).items() if key != "documents"} for shelf in shelves.values()]
    write_text(workspace.knowledge / FILE, json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
