"""The library: files and folders in; documents that can be searched, and a reason for each that cannot, out.

A document is known by its collection and the place it was read from; its content by a hash. So the same file added again changes
nothing, and one that was edited takes the place of its former self.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Literal

import numpy as np
import pyarrow as pa

from heedful.errors import KnowledgeError
from heedful.knowledge.blocks import Parsed, Unreadable
from heedful.knowledge.chunking import Chunk, chunk, header, only_asks
from heedful.knowledge.index import DIMENSIONS, SCHEMA, Document, Index, open_index, writing
from heedful.knowledge.parse import SUFFIXES, Limits
from heedful.knowledge.reader import Reader
from heedful.modeling.embedder import MAX_TOKENS, Embedder, load_embedder
from heedful.workspace import Workspace, sha256

GENERAL = "general"  # the collection of those who name none
COMMIT_CHUNKS = 512  # documents are embedded and written together up to so many
UPLOADED = "file:"  # begins the place of what came over the API: each upload is a document of its own, whatever it holds
SPECIAL_TOKENS = 2  # that begin and end what the embedder reads
NAME_CHARACTERS = 64

Observe = Callable[[int, int | None, str], None]
Outcome = Literal["new", "updated", "same"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, the name it is shown by, and the place that it is known by."""

    path: Path
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be read, and why in one clause."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Added:
    """What became of every file. `passed_over` counts files of folders whose kind is not read."""

    documents: tuple[tuple[Outcome, Document], ...]
    refused: tuple[Refused, ...]
    passed_over: int = 0

    def count(self, outcome: Outcome) -> int:
        return sum(one == outcome for one, _ in self.documents)


@dataclass(slots=True)
class Batch:
    """Documents that are read but not yet written."""

    documents: list[tuple[Document, list[Chunk]]] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(len(chunks) for _, chunks in self.documents)


def add_files(
    workspace: Workspace,
    paths: Sequence[Path],
    collection: str = GENERAL,
    observe: Observe | None = None,
    limits: Limits | None = None,
) -> Added:
    """Files, and what folders hold of the kinds that are read. Raises KnowledgeError for a path that is not there."""
    sources, passed_over = find_sources(paths)
    return replace(add_sources(workspace, sources, collection, observe, limits), passed_over=passed_over)


def find_sources(paths: Sequence[Path]) -> tuple[list[Source], int]:
    """A file that is named is always tried; in a folder, only what has the name of a document."""
    found: dict[str, Source] = {}
    passed_over = 0
    for path in paths:
        if path.is_dir():
            for inner in sorted(path.rglob("*")):
                hidden = any(part.startswith(".") for part in inner.relative_to(path).parts)
                if hidden or not inner.is_file():
                    continue
                if inner.suffix.lower() in SUFFIXES:
                    found.setdefault(str(inner.resolve()), Source(inner, str(inner.relative_to(path)), str(inner.resolve())))
                else:
                    passed_over += 1
        elif path.is_file():
            found.setdefault(str(path.resolve()), Source(path, path.name, str(path.resolve())))
        else:
            raise KnowledgeError(f"{path} is neither a file nor a folder", "name files or folders that are there")
    return list(found.values()), passed_over


def add_sources(
    workspace: Workspace, sources: Sequence[Source], collection: str, observe: Observe | None = None, limits: Limits | None = None
) -> Added:
    """Documents are written whole, some together: a kill leaves those before it, and none in part."""
    check_name(collection)
    done: list[tuple[Outcome, Document]] = []
    refused: list[Refused] = []
    batch = Batch()
    with writing(workspace), Reader(limits) as reader:
        index = open_index(workspace, create=True)
        assert index is not None, "it was to be made"
        known = {document.id: document for document in index.documents()}
        contents = {(document.collection, document.sha256): document for document in known.values()}
        embedder = load_embedder()
        for number, source in enumerate(sources):
            if observe is not None:
                observe(number, len(sources), source.name)
            try:
                document, former = describe(source, collection, known)
                same = former
                if former is None and not source.place.startswith(UPLOADED):
                    same = contents.get((collection, document.sha256))
                if same is not None and same.sha256 == document.sha256:
                    done.append(("same", same))
                    continue
                document, chunks = read(reader, embedder, source, document)
            except Unreadable as reason:
                refused.append(Refused(source.name, str(reason)))
                continue
            contents[collection, document.sha256] = document
            batch.documents.append((document, chunks))
            batch.replaced += [document.id] if former is not None else []
            done.append(("new" if former is None else "updated", document))
            if batch.size >= COMMIT_CHUNKS:
                batch = write(index, embedder, batch)
        write(index, embedder, batch)
        if index.owes_purge:
            index.purge()
        elif any(outcome == "new" for outcome, _ in done):
            index.maintain()
    if observe is not None:
        observe(len(sources), len(sources), "")
    return Added(tuple(done), tuple(refused))


def describe(source: Source, collection: str, known: dict[str, Document]) -> tuple[Document, Document | None]:
    """The document as its file is now, before it is read, and its former self."""
    key = hashlib.sha256(f"{collection}\0{source.place}".encode(errors="surrogatepass")).hexdigest()[:10]
    former = known.get(f"doc-{key}")
    try:
        digest, size = sha256(source.path), source.path.stat().st_size
    except OSError as error:
        raise Unreadable(f"it cannot be opened ({error.strerror or type(error).__name__})") from None
    version = 1 if former is None else former.version + 1
    name, place = printable(source.name), printable(source.place)
    return Document(f"doc-{key}", name, collection, name, place, digest, size, None, version, datetime.now(UTC), 0), former


def printable(text: str) -> str:
    """A file's name may hold bytes that are no text."""
    return "".join(character if character.isprintable() else "?" for character in text)


def read(reader: Reader, embedder: Embedder, source: Source, document: Document) -> tuple[Document, list[Chunk]]:
    parsed: Parsed = reader.read(source.path, PurePath(source.name).stem)

    def count(texts: Sequence[str]) -> list[int]:
        return [len(ids) - SPECIAL_TOKENS for ids in embedder.tokenise(texts)]

    chunks = chunk(parsed, count, MAX_TOKENS - SPECIAL_TOKENS)
    return replace(document, title=parsed.title, pages=parsed.pages, chunks=len(chunks)), chunks


def write(index: Index, embedder: Embedder, batch: Batch) -> Batch:
    """One commit; an empty batch to go on with."""
    if batch.documents:
        bodies = [f"{header(of.title, one.section)}\n{one.text}" for of, chunks in batch.documents for one in chunks]
        index.add(rows_of(batch, bodies, embedder.embed(bodies)), batch.replaced)
    return Batch()


def rows_of(batch: Batch, bodies: Sequence[str], vectors: np.ndarray) -> pa.Table:
    rows = [
        {
            "id": f"{of.id}-{of.version}-{ordinal}",
            "document": of.id,
            **{name: getattr(of, name) for name in ("name", "collection", "title", "source", "sha256", "bytes", "pages")},
            **{name: getattr(of, name) for name in ("version", "added_at", "chunks")},
            "ordinal": ordinal,
            "section": one.section,
            "page": one.page,
            "asks": only_asks(one.text),
        }
        for of, chunks in batch.documents
        for ordinal, one in enumerate(chunks)
    ]
    flat = pa.array(vectors.astype(np.float16).ravel())
    columns = {
        **{f.name: pa.array([row[f.name] for row in rows], f.type) for f in SCHEMA if f.name not in ("body", "vector")},
        "body": pa.array(bodies, pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, DIMENSIONS),
    }
    return pa.table([columns[f.name] for f in SCHEMA], schema=SCHEMA)


def check_name(collection: str) -> None:
    """Raises KnowledgeError."""
    plain = all(character.isalnum() or character in "-_." for character in collection)
    if not collection or not plain or len(collection) > NAME_CHARACTERS:
        raise KnowledgeError(
            f"{collection!r} is no name of a collection: letters, digits, - _ ., at most {NAME_CHARACTERS}",
            "choose another name",
        )


def list_documents(workspace: Workspace, collections: Sequence[str] = ()) -> list[Document]:
    index = open_index(workspace)
    documents = [] if index is None else index.documents()
    return [document for document in documents if not collections or document.collection in collections]


def remove_documents(workspace: Workspace, wanted: Sequence[str], collections: Sequence[str] = ()) -> list[Document]:
    """By id or name; none named means all of the collections. They are gone from the disk when this returns.

    Raises KnowledgeError for a name that nothing has, or that several documents have.
    """
    with writing(workspace):
        index = open_index(workspace)
        there = list_documents(workspace, collections)
        found = [find_document(there, one) for one in wanted] if wanted else there
        if index is not None and found:
            index.remove(sorted({document.id for document in found}))
        if index is not None and index.owes_purge:
            index.purge()
    return found


def find_document(documents: Sequence[Document], wanted: str) -> Document:
    found = [one for one in documents if wanted in (one.id, one.name, one.source)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise KnowledgeError(f"no document is called {wanted!r}", "heedful knowledge list")
    raise KnowledgeError(f"{wanted!r} is the name of {', '.join(one.id for one in found)}", "name one by its id")


def update_documents(
    workspace: Workspace, collections: Sequence[str] = (), observe: Observe | None = None, limits: Limits | None = None
) -> tuple[Added, tuple[Document, ...]]:
    """Read again what documents were read from; edited ones take the place of their former selves. Second: whose file is gone."""
    there = list_documents(workspace, collections)
    gone = tuple(document for document in there if document.source.startswith("/") and not Path(document.source).is_file())
    done: list[Added] = []
    for collection in sorted({document.collection for document in there}):
        files = list(sources_of(document for document in there if document.collection == collection and document not in gone))
        done.append(add_sources(workspace, files, collection, observe, limits))
    documents = tuple(pair for one in done for pair in one.documents)
    return Added(documents, tuple(refused for one in done for refused in one.refused)), gone


def sources_of(documents: Iterator[Document]) -> Iterator[Source]:
    """What was uploaded has no file to read again."""
    return (Source(Path(one.source), one.name, one.source) for one in documents if one.source.startswith("/"))
